#include "train/data/byte_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <vector>

#include "engine/error.h"
#include "train/data/parquet/parquet_text.h"
#include "train/data/sample_files.h"

namespace mal {

namespace {

constexpr std::size_t kCompressedBlock = 1 << 18;
constexpr unsigned char kMagic[] = {0x1f, 0x8b};
constexpr int kGzipWindow = 15 + 16;  // the largest window; + 16: a gzip header, not zlib's

std::string cause() {
  return std::generic_category().message(errno);
}

}  // namespace

struct ByteSource::Gzip {
  explicit Gzip(std::uint64_t file_bytes) : input(std::min<std::uint64_t>(file_bytes, kCompressedBlock)) {
    if (inflateInit2(&stream, kGzipWindow) != Z_OK) throw std::bad_alloc();
  }
  ~Gzip() { inflateEnd(&stream); }
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;

  z_stream stream = {};
  std::vector<char> input;
  bool inside = false;  // of a member; false: the next byte begins one
  bool padded = false;  // zeros have followed a member: nothing but zeros may follow them
};

ByteSource::ByteSource(const std::string& path, std::int64_t utc_offset) : path_(path) {
  // Not blocking: a pipe that nobody writes to is refused below, not waited for.
  descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor_ < 0) fail("cannot open {}: {}", path, cause());
  struct stat status = {};
  // Not from the destructor: it does not run for an object whose constructor throws.
  if (::fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(descriptor_);
    fail("cannot read {}: it is not a regular file", path);
  }
  total_ = static_cast<std::uint64_t>(status.st_size);
  unsigned char first[2] = {};
  if (::pread(descriptor_, first, sizeof(first), 0) == 2 && first[0] == kMagic[0] && first[1] == kMagic[1])
    gzip_ = std::make_unique<Gzip>(total_);
  try {
    if (is_parquet(path)) parquet_ = std::make_unique<ParquetText>(path, utc_offset);
  } catch (...) {
    ::close(descriptor_);
    throw;
  }
  ::posix_fadvise(descriptor_, 0, 0, POSIX_FADV_SEQUENTIAL);
}

ByteSource::~ByteSource() {
  ::close(descriptor_);
}

std::size_t ByteSource::read_file(char* out, std::size_t bytes) {
  while (true) {
    const ssize_t got = ::read(descriptor_, out, bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("cannot read {}: {}", path_, cause());
    position_ += static_cast<std::uint64_t>(got);
    return static_cast<std::size_t>(got);
  }
}

std::size_t ByteSource::read(char* out, std::size_t bytes, std::int64_t line) {
  if (!parquet_) return gzip_ ? inflate_some(out, bytes, line) : read_file(out, bytes);
  const std::size_t got = parquet_->read(out, bytes);
  position_ = static_cast<std::uint64_t>(parquet_->share_read() * static_cast<double>(total_));
  return got;
}

// True when a member begins at the next byte of the input; false at the end of the zeros that may follow the last one.
bool ByteSource::between_members(std::int64_t line) {
  z_stream& stream = gzip_->stream;
  const unsigned char next = *stream.next_in;
  if (next == kMagic[0] && !gzip_->padded) {
    inflateReset(&stream);
    gzip_->inside = true;
    return true;
  }
  if (next != 0) fail("{}:{}: bytes that are not gzip follow the gzip data; get the file again", path_, line);
  gzip_->padded = true;
  ++stream.next_in;
  --stream.avail_in;
  return false;
}

std::size_t ByteSource::inflate_some(char* out, std::size_t bytes, std::int64_t line) {
  z_stream& stream = gzip_->stream;
  stream.next_out = reinterpret_cast<Bytef*>(out);
  stream.avail_out = static_cast<uInt>(bytes);
  while (stream.avail_out == bytes) {
    if (stream.avail_in == 0) {
      stream.next_in = reinterpret_cast<Bytef*>(gzip_->input.data());
      stream.avail_in = static_cast<uInt>(read_file(gzip_->input.data(), gzip_->input.size()));
      if (stream.avail_in == 0) {
        if (gzip_->inside) fail("{}:{}: the gzip data is cut short here; get the file again", path_, line);
        return 0;
      }
    }
    if (!gzip_->inside && !between_members(line)) continue;
    const int code = inflate(&stream, Z_NO_FLUSH);
    if (code == Z_MEM_ERROR) throw std::bad_alloc();
    if (code == Z_STREAM_END) gzip_->inside = false;
    // Z_BUF_ERROR: all input is used and none came out; there is more to read.
    else if (code != Z_OK && code != Z_BUF_ERROR)
      fail("{}:{}: the gzip data is damaged here ({}); get the file again", path_, line,
           stream.msg == nullptr ? "no reason given" : stream.msg);
  }
  return bytes - stream.avail_out;
}

}  // namespace mal

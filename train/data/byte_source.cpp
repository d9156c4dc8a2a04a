#include "train/data/byte_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <system_error>

#include "engine/error.h"
#include "train/data/decompressor.h"
#include "train/data/parquet/parquet_text.h"
#include "train/data/sample_files.h"

namespace mal {

namespace {

std::string cause() {
  return std::generic_category().message(errno);
}

}  // namespace

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
  std::array<char, kMagicBytes> first = {};
  const ssize_t got = std::max<ssize_t>(0, ::pread(descriptor_, first.data(), first.size(), 0));
  try {
    decompressor_ = make_decompressor({first.data(), static_cast<std::size_t>(got)}, path, total_,
                                      [this](char* out, std::size_t bytes) { return read_file(out, bytes); });
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
  if (!parquet_) return decompressor_ ? decompressor_->read(out, bytes, line) : read_file(out, bytes);
  const std::size_t got = parquet_->read(out, bytes);
  position_ = static_cast<std::uint64_t>(parquet_->share_read() * static_cast<double>(total_));
  return got;
}

}  // namespace mal

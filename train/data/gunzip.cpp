// gzip. zlib's own gzread is not used: it silently drops whatever follows a member and does not begin with the magic
// bytes, such as a damaged second member.
#include <zlib.h>

#include <new>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "train/data/decompressor.h"

namespace mal {

namespace {

constexpr std::string_view kMagic = "\x1f\x8b";
constexpr int kGzipWindow = 15 + 16;  // the largest window; + 16: a gzip header, not zlib's

class Gunzip : public Decompressor {
 public:
  Gunzip(std::string path, std::size_t input_bytes, Input input)
      : path_(std::move(path)), input_(std::move(input)), buffer_(input_bytes) {
    if (inflateInit2(&stream_, kGzipWindow) != Z_OK) throw std::bad_alloc();
  }
  ~Gunzip() override { inflateEnd(&stream_); }
  Gunzip(const Gunzip&) = delete;
  Gunzip& operator=(const Gunzip&) = delete;

  std::size_t read(char* out, std::size_t bytes, std::int64_t line) override;

 private:
  bool between_members(std::int64_t line);

  std::string path_;
  Input input_;
  z_stream stream_ = {};
  std::vector<char> buffer_;
  bool inside_ = false;  // of a member; false: the next byte begins one
  bool padded_ = false;  // zeros have followed a member: nothing but zeros may follow them
};

// True when a member begins at the next byte of the input; false at the end of the zeros that may follow the last one.
bool Gunzip::between_members(std::int64_t line) {
  const auto next = static_cast<char>(*stream_.next_in);
  if (next == kMagic[0] && !padded_) {
    inflateReset(&stream_);
    inside_ = true;
    return true;
  }
  if (next != 0) fail("{}:{}: bytes that are not gzip follow the gzip data; get the file again", path_, line);
  padded_ = true;
  ++stream_.next_in;
  --stream_.avail_in;
  return false;
}

std::size_t Gunzip::read(char* out, std::size_t bytes, std::int64_t line) {
  stream_.next_out = reinterpret_cast<Bytef*>(out);
  stream_.avail_out = static_cast<uInt>(bytes);
  while (stream_.avail_out == bytes) {
    if (stream_.avail_in == 0) {
      stream_.next_in = reinterpret_cast<Bytef*>(buffer_.data());
      stream_.avail_in = static_cast<uInt>(input_(buffer_.data(), buffer_.size()));
      if (stream_.avail_in == 0) {
        if (inside_) fail("{}:{}: the gzip data is cut short here; get the file again", path_, line);
        return 0;
      }
    }
    if (!inside_ && !between_members(line)) continue;
    const int code = inflate(&stream_, Z_NO_FLUSH);
    if (code == Z_MEM_ERROR) throw std::bad_alloc();
    if (code == Z_STREAM_END) inside_ = false;
    // Z_BUF_ERROR: all input is used and none came out; there is more to read.
    else if (code != Z_OK && code != Z_BUF_ERROR)
      fail("{}:{}: the gzip data is damaged here ({}); get the file again", path_, line,
           stream_.msg == nullptr ? "no reason given" : stream_.msg);
  }
  return bytes - stream_.avail_out;
}

}  // namespace

bool begins_as_gzip(std::string_view bytes) {
  return bytes.starts_with(kMagic);
}

std::unique_ptr<Decompressor> make_gunzip(const std::string& path, std::size_t input_bytes, Decompressor::Input input) {
  return std::make_unique<Gunzip>(path, input_bytes, std::move(input));
}

}  // namespace mal

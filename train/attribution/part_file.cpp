#include "train/attribution/part_file.h"

#include <fcntl.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "engine/error.h"

namespace mal {

namespace {

constexpr std::size_t kWriteBytes = 1 << 14;  // of each part: all are open while the log is read
constexpr std::size_t kReadBytes = 1 << 16;

[[noreturn]] void fail_disk(const char* action, const std::string& path) {
  const bool too_many = errno == EMFILE || errno == ENFILE;  // hundreds are open at once
  fail("cannot {} {}: {}; {}", action, path, std::generic_category().message(errno),
       too_many ? "let more be open at once (ulimit -n 1024), or give more --memory"
                : "free some space or choose another --out");
}

}  // namespace

std::size_t part_of(std::string_view name) {
  return XXH3_64bits(name.data(), name.size()) % kParts;
}

PartFile::PartFile(std::string path) : path_(std::move(path)) {
  descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor_ < 0) fail_disk("create", path_);
  buffer_.reserve(kWriteBytes);
}

PartFile::PartFile(PartFile&& other) noexcept
    : path_(std::exchange(other.path_, {})),
      descriptor_(std::exchange(other.descriptor_, -1)),
      buffer_(std::move(other.buffer_)),
      at_(other.at_) {}

PartFile::~PartFile() {
  remove();
}

void PartFile::close() {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
}

void PartFile::remove() {
  close();
  if (!path_.empty()) ::unlink(path_.c_str());
  path_.clear();
  buffer_ = {};
}

void PartFile::flush() {
  std::size_t done = 0;
  while (done < buffer_.size()) {
    const ssize_t written = ::write(descriptor_, buffer_.data() + done, buffer_.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_disk("write", path_);
    done += static_cast<std::size_t>(written);
  }
  buffer_.clear();
}

void PartFile::write(const void* data, std::size_t bytes) {
  if (buffer_.size() + bytes > kWriteBytes) flush();
  const char* from = static_cast<const char*>(data);
  buffer_.insert(buffer_.end(), from, from + bytes);
}

void PartFile::put(std::string_view text) {
  put(static_cast<std::uint32_t>(text.size()));  // a line is at most 16 MiB
  write(text.data(), text.size());
}

void PartFile::finish() {
  flush();
  close();
  buffer_ = {};
}

void PartFile::open() {
  close();
  descriptor_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor_ < 0) fail_disk("open", path_);
  buffer_.clear();
  at_ = 0;
}

bool PartFile::read(void* data, std::size_t bytes) {
  char* out = static_cast<char*>(data);
  std::size_t done = 0;
  while (done < bytes) {
    if (at_ == buffer_.size()) {
      buffer_.resize(kReadBytes);
      ssize_t got = 0;
      do {
        got = ::read(descriptor_, buffer_.data(), buffer_.size());
      } while (got < 0 && errno == EINTR);
      if (got < 0) fail_disk("read", path_);
      buffer_.resize(static_cast<std::size_t>(got));
      at_ = 0;
      if (got == 0) {
        if (done != 0) fail("cannot read {}: it has become shorter", path_);
        return false;
      }
    }
    const std::size_t part = std::min(bytes - done, buffer_.size() - at_);
    std::memcpy(out + done, buffer_.data() + at_, part);
    done += part;
    at_ += part;
  }
  return true;
}

void PartFile::require(void* data, std::size_t bytes) {
  if (bytes != 0 && !read(data, bytes)) fail("cannot read {}: it has become shorter", path_);
}

std::string_view PartFile::get_text() {
  text_.resize(get<std::uint32_t>());
  require(text_.data(), text_.size());
  return text_;
}

}  // namespace mal

#include "train/attribution/row_spool.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "engine/error.h"

namespace mal {

namespace {

constexpr std::size_t kAhead = 1 << 18;   // bytes read where rows follow each other
constexpr std::size_t kHop = 4096;        // and where they do not
constexpr std::size_t kBuffer = 1 << 20;  // written while the next is filled
constexpr std::size_t kWrite = 1 << 18;   // at once: longer writes take longer a byte (engine/file.cpp)

}  // namespace

RowSpool::RowSpool(std::string path) : path_(std::move(path)) {
  descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor_ < 0) fail("cannot create {}: {}", path_, std::strerror(errno));
}

RowSpool::~RowSpool() {
  remove();
}

void RowSpool::remove() {
  if (writing_.valid()) writing_.wait();
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
  if (!path_.empty()) ::unlink(path_.c_str());
  path_.clear();
}

void RowSpool::write(const std::vector<char>& bytes) const {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t written = ::write(descriptor_, bytes.data() + done, std::min(bytes.size() - done, kWrite));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("cannot write {}: {}; free some space or choose another --out", path_, std::strerror(errno));
    done += static_cast<std::size_t>(written);
  }
}

void RowSpool::flush() {
  if (writing_.valid()) writing_.get();
  std::swap(buffer_, behind_);
  buffer_.clear();
  writing_ = std::async(std::launch::async, [this] { write(behind_); });
}

std::uint64_t RowSpool::append(std::string_view row) {
  const std::uint64_t offset = position_;
  const auto bytes = static_cast<std::uint32_t>(row.size());  // a line is at most 16 MiB
  const char* size = reinterpret_cast<const char*>(&bytes);
  if (buffer_.size() + sizeof bytes + row.size() > kBuffer && !buffer_.empty()) flush();
  buffer_.insert(buffer_.end(), size, size + sizeof bytes);
  buffer_.insert(buffer_.end(), row.begin(), row.end());
  position_ += sizeof bytes + row.size();
  return offset;
}

void RowSpool::finish() {
  flush();
  writing_.get();
  buffer_ = {};
  behind_ = {};
}

const char* RowSpool::Reader::look(std::uint64_t offset, std::size_t bytes) {
  const std::uint64_t window_end = window_begin_ + window_.size();
  if (offset >= window_begin_ && offset + bytes <= window_end) return window_.data() + (offset - window_begin_);
  const bool follows = offset >= window_begin_ && offset <= window_end;
  const std::uint64_t wanted = std::max<std::uint64_t>(bytes, follows ? kAhead : kHop);
  window_.resize(static_cast<std::size_t>(std::min(wanted, spool_.position_ - offset)));
  window_begin_ = offset;
  std::size_t done = 0;
  while (done < window_.size()) {
    const ssize_t got =
        ::pread(spool_.descriptor_, window_.data() + done, window_.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) fail("cannot read {}: {}", spool_.path_, got < 0 ? std::strerror(errno) : "it has become shorter");
    done += static_cast<std::size_t>(got);
  }
  return window_.data();
}

std::string_view RowSpool::Reader::row(std::uint64_t offset) {
  std::uint32_t bytes = 0;
  std::memcpy(&bytes, look(offset, sizeof bytes), sizeof bytes);
  return {look(offset + sizeof bytes, bytes), bytes};
}

}  // namespace mal

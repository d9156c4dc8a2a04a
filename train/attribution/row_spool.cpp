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

constexpr std::size_t kAhead = 1 << 20;  // bytes read where rows follow each other
constexpr std::size_t kHop = 4096;       // and where they do not

}  // namespace

RowSpool::RowSpool(std::string path) : path_(std::move(path)), file_(std::fopen(path_.c_str(), "wb")) {
  if (!file_) fail("cannot create {}: {}", path_, std::strerror(errno));
  std::setvbuf(file_.get(), nullptr, _IOFBF, std::size_t{1} << 20);
}

RowSpool::~RowSpool() {
  remove();
}

void RowSpool::remove() {
  file_.reset();
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
  if (!path_.empty()) ::unlink(path_.c_str());
  path_.clear();
}

void RowSpool::write(const void* data, std::size_t bytes) {
  if (std::fwrite(data, 1, bytes, file_.get()) != bytes)
    fail("cannot write {}: {}; free some space or choose another --out", path_, std::strerror(errno));
  position_ += bytes;
}

std::uint64_t RowSpool::append(std::string_view row) {
  const std::uint64_t offset = position_;
  const auto bytes = static_cast<std::uint32_t>(row.size());  // a line is at most 16 MiB
  write(&bytes, sizeof bytes);
  write(row.data(), row.size());
  return offset;
}

void RowSpool::finish() {
  const bool flushed = std::fclose(file_.release()) == 0;
  if (!flushed) fail("cannot write {}: {}; free some space or choose another --out", path_, std::strerror(errno));
  descriptor_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor_ < 0) fail("cannot open {}: {}", path_, std::strerror(errno));
}

const char* RowSpool::look(std::uint64_t offset, std::size_t bytes) {
  const std::uint64_t window_end = window_begin_ + window_.size();
  if (offset >= window_begin_ && offset + bytes <= window_end) return window_.data() + (offset - window_begin_);
  const bool follows = offset >= window_begin_ && offset <= window_end;
  const std::uint64_t wanted = std::max<std::uint64_t>(bytes, follows ? kAhead : kHop);
  window_.resize(static_cast<std::size_t>(std::min(wanted, position_ - offset)));
  window_begin_ = offset;
  std::size_t done = 0;
  while (done < window_.size()) {
    const ssize_t got =
        ::pread(descriptor_, window_.data() + done, window_.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) fail("cannot read {}: {}", path_, got < 0 ? std::strerror(errno) : "it has become shorter");
    done += static_cast<std::size_t>(got);
  }
  return window_.data();
}

std::string_view RowSpool::row(std::uint64_t offset) {
  std::uint32_t bytes = 0;
  std::memcpy(&bytes, look(offset, sizeof bytes), sizeof bytes);
  return {look(offset + sizeof bytes, bytes), bytes};
}

}  // namespace mal

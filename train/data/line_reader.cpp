#include "train/data/line_reader.h"

#include <algorithm>
#include <cstring>

#include "engine/error.h"

namespace mal {

namespace {

constexpr std::size_t kBlock = 1 << 20, kSmallestBlock = 1 << 14;
constexpr std::size_t kMaxLine = 16 << 20;

}  // namespace

LineReader::LineReader(const std::string& path, std::int64_t utc_offset)
    : path_(path),
      source_(path, utc_offset),
      block_(std::clamp(static_cast<std::size_t>(source_.total()), kSmallestBlock, kBlock)),
      number_(source_.is_table() ? -1 : 0) {}

bool LineReader::next() {
  begin_ = next_;
  if (!find_end(begin_)) return false;
  first_number_ = ++number_;
  return true;
}

bool LineReader::extend() {
  if (unfinished_ || !find_end(next_)) return false;
  if (!source_.is_table()) ++number_;
  return true;
}

void LineReader::skip(std::size_t bytes) {
  begin_ += bytes;
  text_ += bytes;
  size_ -= bytes;
}

void LineReader::unread() {
  next_ = begin_;
  --number_;
}

// The line that begins at `from` in the buffer ends this row; reads more where needed.
bool LineReader::find_end(std::size_t from) {
  std::size_t searched = from;
  while (true) {
    const void* found = filled_ > searched ? std::memchr(buffer_.data() + searched, '\n', filled_ - searched) : nullptr;
    if (found != nullptr || (at_end_ && from < filled_)) {
      const std::size_t end =
          found != nullptr ? static_cast<std::size_t>(static_cast<const char*>(found) - buffer_.data()) : filled_;
      next_ = std::min(filled_, end + 1);
      unfinished_ = found == nullptr;
      text_ = buffer_.data() + begin_;
      size_ = end - begin_;
      if (end > from && text_[size_ - 1] == '\r') --size_;
      return true;
    }
    if (at_end_) {
      next_ = filled_;
      return false;
    }
    if (filled_ - begin_ > kMaxLine) fail_length();
    if (begin_ > 0)
      std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_),
                buffer_.begin() + static_cast<std::ptrdiff_t>(filled_), buffer_.begin());
    filled_ -= begin_;
    from -= begin_;
    begin_ = 0;
    searched = filled_;
    if (buffer_.size() < filled_ + block_) buffer_.resize(filled_ + block_);
    const std::size_t got = source_.read(buffer_.data() + filled_, block_, number_ + 1);
    filled_ += got;
    at_end_ = got == 0;
    text_ = buffer_.data();
  }
}

void LineReader::fail_length() const {
  const bool joined = std::memchr(buffer_.data() + begin_, '\n', filled_ - begin_) != nullptr;
  if (joined)
    fail("{}:{}: a row is longer than 16 MiB, line breaks in quotes included; does a quote begin here that never ends?",
         path_, first_number_);
  fail("{}:{}: a line is longer than 16 MiB; is this a text table?", path_, number_ + 1);
}

}  // namespace mal

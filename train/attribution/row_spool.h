// The text of every click's pass-through columns, on disk while the run lasts: rows come in input order and leave in
// the order of time, and 10 M rows of text do not fit in memory.
#pragma once

#include <cstdint>
#include <future>
#include <string>
#include <string_view>
#include <vector>

namespace mal {

class RowSpool {
 public:
  explicit RowSpool(std::string path);  // a file to be made; removed again by the destructor
  ~RowSpool();
  RowSpool(const RowSpool&) = delete;
  RowSpool& operator=(const RowSpool&) = delete;

  std::uint64_t append(std::string_view row);  // where it lies, for a reader
  void finish();                               // no append() after this, no reader before
  void remove();                               // now, rather than in the destructor

  // What is read lies in one small window rather than in a memory map, which would show as memory in use. One a thread.
  class Reader {
   public:
    explicit Reader(const RowSpool& spool) : spool_(spool) {}
    // Valid until the next. Fast if rows are asked for in the order in which they came, as in sorted input.
    std::string_view row(std::uint64_t offset);

   private:
    const char* look(std::uint64_t offset, std::size_t bytes);
    const RowSpool& spool_;
    std::vector<char> window_;
    std::uint64_t window_begin_ = 0;
  };

 private:
  void flush();
  void write(const std::vector<char>& bytes) const;

  std::string path_;
  int descriptor_ = -1;
  std::uint64_t position_ = 0;
  std::vector<char> buffer_;   // being filled
  std::vector<char> behind_;   // being written by a thread of its own
  std::future<void> writing_;  // of behind_
};

}  // namespace mal

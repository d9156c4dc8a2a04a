// The text of every click's pass-through columns, on disk while the run lasts: rows come in input order and leave in
// the order of time, and 10 M rows of text do not fit in memory.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
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

  std::uint64_t append(std::string_view row);  // where it lies, for row()
  void finish();                               // no append() after this, no row() before
  // Valid until the next row(). Fast if rows are asked for in the order in which they came, as in sorted input.
  std::string_view row(std::uint64_t offset);
  void remove();  // now, rather than in the destructor

 private:
  void write(const void* data, std::size_t bytes);
  const char* look(std::uint64_t offset, std::size_t bytes);

  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
  std::uint64_t position_ = 0;
  // What is read lies in one small window rather than in a memory map, which would show as memory in use.
  int descriptor_ = -1;
  std::vector<char> window_;
  std::uint64_t window_begin_ = 0;
};

}  // namespace mal

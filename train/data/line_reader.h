// The lines of a text file, through one buffer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "train/data/byte_source.h"

namespace mal {

class LineReader {
 public:
  LineReader(const std::string& path, std::int64_t utc_offset);

  bool next();  // to the next line; false at the end of the file
  // Joins the line that follows to this one, with the line break between them; text() may move. False: there is none.
  bool extend();
  void skip(std::size_t bytes);  // at the beginning of this line
  void unread();                 // the next line is this one again

  char* text() { return text_; }  // of this line, without its line end; its bytes may be changed
  const char* text() const { return text_; }
  std::size_t size() const { return size_; }
  bool unfinished() const { return unfinished_; }  // this line is the last and has no line end
  // The first of the lines that are joined, from 1; of Parquet the row, from 0, the header's place.
  std::int64_t number() const { return first_number_; }
  const ByteSource& source() const { return source_; }

 private:
  bool find_end(std::size_t from);
  [[noreturn]] void fail_length() const;

  std::string path_;
  ByteSource source_;
  std::size_t block_;  // bytes that are asked for at once: a small file needs no large buffer
  std::vector<char> buffer_;
  std::size_t begin_ = 0, next_ = 0, filled_ = 0;  // of this line, of the next, of what the buffer holds
  bool at_end_ = false, unfinished_ = false;
  char* text_ = nullptr;
  std::size_t size_ = 0;
  std::int64_t number_ = 0, first_number_ = 0;
};

}  // namespace mal

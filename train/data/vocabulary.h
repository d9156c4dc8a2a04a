// The values of an id column and their row numbers in its embedding table.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mal {

// First count() every value of the training data, then assign() numbers, then find().
class Vocabulary {
 public:
  Vocabulary();
  void count(std::string_view value);
  // 1, 2, … by falling count, equal counts by the value's text; values seen less than `min_count` times get 0.
  void assign(std::int64_t min_count);
  std::int32_t find(std::string_view value) const;  // 0: unseen
  std::int64_t rows() const { return rows_; }       // with row 0, "unseen"

  void write(const std::string& path) const;  // JSON object: value → number, in the order of the numbers

 private:
  struct Entry {
    std::uint64_t offset;
    std::uint32_t length;
    std::int32_t number;
    std::int64_t seen;
  };
  std::string_view text(const Entry& entry) const { return {text_.data() + entry.offset, entry.length}; }
  std::size_t slot_of(std::string_view value, std::uint64_t hash) const;
  void grow();

  // Open addressing: a slot holds 1 + the entry's index, or 0, and the hash's upper half to skip most comparisons.
  struct Slot {
    std::uint32_t entry = 0, tag = 0;
  };
  std::vector<Slot> slots_;
  std::vector<Entry> entries_;
  std::vector<char> text_;
  std::int64_t rows_ = 1;
};

// Codes of a slice column in the order in which its values first appear.
class SliceNames {
 public:
  std::int32_t code(std::string_view value);
  const std::vector<std::string>& names() const { return names_; }
  void write(const std::string& path) const;  // JSON list

 private:
  std::vector<std::string> names_;
};

}  // namespace mal

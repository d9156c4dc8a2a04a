// The values of an id column and their row numbers in its embedding table.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mal {

// First count() every value of the training data, then assign() numbers, then find(). Or add() values in the order of
// their numbers.
class Vocabulary {
 public:
  Vocabulary();
  bool count(std::string_view value, std::int64_t times = 1);  // true: the first of its kind
  // 1, 2, … by falling count, equal counts by the value's text; values seen less than `min_count` times get 0. A value
  // that has a number keeps it; the others get those that follow.
  void assign(std::int64_t min_count);
  bool add(std::string_view value);                 // with the next number; false if it has one
  std::int32_t find(std::string_view value) const;  // 0: unseen
  std::int64_t seen(std::string_view value) const;  // how often it was counted
  std::int64_t rows() const { return rows_; }       // with row 0, "unseen"

  // Calls visit(text, number) for every value that has a number, in no particular order.
  template <typename Visit>
  void for_each(const Visit& visit) const {
    for (const Slot& slot : slots_)
      if (slot.number > 0) visit(text(entries_[slot.entry - 1]), slot.number);
  }

  // Calls visit(text, times seen) for every value, in no particular order.
  template <typename Visit>
  void for_each_count(const Visit& visit) const {
    for (const Slot& slot : slots_)
      if (slot.entry != 0) visit(text(entries_[slot.entry - 1]), slot.seen);
  }

  // As a JSON object, value → number, in the order of the numbers. Throws Error for a value that is not UTF-8: JSON
  // cannot hold it.
  void write(const std::string& path) const;

 private:
  struct Entry {
    std::uint64_t offset;  // of the text
    std::uint32_t length;
  };
  // A value of up to 15 bytes is its own key, so that most look-ups touch one cache line and compare no text. Longer
  // ones: their hash, and a mark.
  struct Key {
    std::uint64_t low = 0, high = 0;
    bool operator==(const Key&) const = default;
  };
  struct alignas(32) Slot {
    Key key;
    std::int64_t seen = 0;
    std::uint32_t entry = 0;  // 1 + the entry's index; 0: free
    std::int32_t number = 0;
  };

  static Key key_of(std::string_view value);
  static std::uint64_t hash_of(const Key& key);
  std::string_view text(const Entry& entry) const { return {text_.data() + entry.offset, entry.length}; }
  std::size_t slot_of(std::string_view value, const Key& key) const;
  Slot& insert(std::string_view value);  // the value's slot, made if there is none; valid until the next
  void grow();

  std::vector<Slot> slots_;  // open addressing, linear probing, at most half full
  std::vector<Entry> entries_;
  std::vector<char> text_;
  std::int64_t rows_ = 1;
};

// What Vocabulary::write wrote, or any JSON object of value → index: the values get the numbers 1, 2, … in the order of
// their indices, wherever those begin. Throws Error for anything else, and for two values of one index.
Vocabulary read_vocabulary(const std::string& path);

// Codes of a slice column in the order in which its values first appear.
class SliceNames {
 public:
  static constexpr std::size_t kMaxValues = 10000;
  std::int32_t code(std::string_view value);  // −1: a new value, and there are kMaxValues already
  const std::vector<std::string>& names() const { return names_; }
  void write(const std::string& path) const;  // JSON list

 private:
  std::vector<std::string> names_;
};

bool is_utf8(std::string_view text);  // what JSON can hold
bool is_ascii(std::string_view text);
// The value as a JSON string; Error, of the file `path` that it is for, if it is not UTF-8.
std::string json_text(std::string_view value, const std::string& path);
std::string printable(std::string_view value);  // its first 40 bytes, for messages

std::vector<std::string> read_slice_names(const std::string& path);  // what SliceNames::write wrote

}  // namespace mal

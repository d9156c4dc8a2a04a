// Ids that a file holds as integers: counted and looked up without their text, ten times as fast as text is.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "train/data/vocabulary.h"

namespace mal {

// The integer that a value writes in decimal: "7", "-7"; none for "07", "+7", "7.0" and what 64 bits cannot hold.
std::optional<std::int64_t> as_integer(std::string_view text);

// How often each integer was seen. Small ones, as most ids are, have a counter by their value; others are hashed.
class IntegerCounts {
 public:
  void count(std::int64_t value, std::int64_t times = 1);
  void add_to(Vocabulary& vocabulary) const;  // as decimal text

 private:
  struct Slot {
    std::int64_t value, seen;
  };
  void grow();

  std::vector<std::int64_t> small_;
  std::vector<Slot> slots_;  // open addressing, at most half full; seen = 0: free
  std::size_t used_ = 0;
};

// The numbers of the values of a vocabulary that are integers, by value.
class IntegerIndex {
 public:
  explicit IntegerIndex(const Vocabulary& vocabulary);
  std::int32_t find(std::int64_t value) const;  // 0: unseen

 private:
  struct Slot {
    std::int64_t value;
    std::int32_t number;  // 0: free
  };
  std::vector<std::int32_t> small_;
  std::vector<Slot> slots_;
};

}  // namespace mal

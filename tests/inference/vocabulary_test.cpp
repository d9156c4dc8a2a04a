// Every value of a vocabulary is found, and no other: whatever its size, and where keys are not spread as hashes are.
#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "engine/random.h"
#include "model/inference/mal_infer.h"

namespace {

using namespace mal;
namespace d = infer::detail;

// The tensors of a vocabulary, in memory.
struct Made {
  std::vector<std::uint64_t> keys, offsets = {0};
  std::vector<std::int32_t> rows;
  std::string text;

  d::Vocabulary view() const {
    d::Vocabulary v;
    v.keys = reinterpret_cast<const unsigned char*>(keys.data());
    v.rows = reinterpret_cast<const unsigned char*>(rows.data());
    v.offsets = reinterpret_cast<const unsigned char*>(offsets.data());
    v.text = reinterpret_cast<const unsigned char*>(text.data());
    v.count = keys.size();
    return v;
  }
};

Made make(std::size_t count) {
  std::vector<std::pair<std::uint64_t, int>> order;
  for (std::size_t i = 0; i < count; ++i) order.emplace_back(d::xxh3_64("v" + std::to_string(i)), static_cast<int>(i));
  std::sort(order.begin(), order.end());
  Made made;
  for (const auto& [key, i] : order) {
    made.keys.push_back(key);
    made.rows.push_back(i + 1);
    made.text += "v" + std::to_string(i);
    made.offsets.push_back(made.text.size());
  }
  return made;
}

TEST_CASE("every value of a vocabulary is found, in any company") {
  for (const std::size_t count : {0, 1, 2, 7, 8, 9, 31, 1000, 5000}) {
    INFO(count << " values");
    const Made made = make(count);
    const d::Vocabulary vocabulary = made.view();
    std::vector<std::string> asked;
    for (std::size_t i = 0; i < count + 40; ++i) asked.push_back("v" + std::to_string(i));  // the last ones are unseen
    for (std::size_t first = 0; first < asked.size(); first += d::Lookup::kTogether) {
      const std::size_t n = std::min(d::Lookup::kTogether, asked.size() - first);
      d::Lookup lookups[d::Lookup::kTogether];
      for (std::size_t i = 0; i < n; ++i) lookups[i].start(vocabulary, asked[first + i]);
      d::Lookup::finish(lookups, n);
      for (std::size_t i = 0; i < n; ++i)
        REQUIRE(lookups[i].row == (first + i < count ? static_cast<std::int32_t>(first + i) + 1 : 0));
    }
  }
}

TEST_CASE("a key is located from any guess among keys that are not spread evenly") {
  const Random random(9, "keys");
  std::vector<std::uint64_t> keys;
  for (std::uint64_t i = 0; i < 300; ++i) keys.push_back(random.below(i, 5) << (random.below(1000 + i, 60)));
  std::sort(keys.begin(), keys.end());
  Made made;
  made.keys = keys;
  const d::Vocabulary vocabulary = made.view();
  for (const std::uint64_t key : keys)
    for (const std::uint64_t wanted : {key, key + 1, key - 1}) {
      const auto expected =
          static_cast<std::uint64_t>(std::lower_bound(keys.begin(), keys.end(), wanted) - keys.begin());
      for (std::uint64_t guess = 0; guess < keys.size(); guess += 7)
        REQUIRE(vocabulary.locate(wanted, guess) == expected);
    }
}

}  // namespace

#include "train/data/integer_ids.h"

#include <catch2/catch.hpp>
#include <limits>
#include <map>
#include <random>

#include "tests/train/dataset_support.h"

namespace mal {

namespace {

constexpr std::int64_t kLowest = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kHighest = std::numeric_limits<std::int64_t>::max();

}  // namespace

TEST_CASE("as_integer: only what a number writes") {
  CHECK(as_integer("0") == 0);
  CHECK(as_integer("-7") == -7);
  CHECK(as_integer("9223372036854775807") == kHighest);
  CHECK(as_integer("-9223372036854775808") == kLowest);
  for (const char* text : {"", "-", "07", "+7", "-0", "-07", "7.0", " 7", "7 ", "9223372036854775808", "0x7", "seven"})
    CHECK_FALSE(as_integer(text));
}

TEST_CASE("integer ids: counted and numbered as their text is") {
  std::mt19937_64 random(7);
  std::map<std::int64_t, std::int64_t> expected;
  IntegerCounts counts;
  const auto count = [&](std::int64_t value) {
    counts.count(value);
    ++expected[value];
  };
  for (const std::int64_t value : {kLowest, kHighest, std::int64_t{0}, std::int64_t{-1}, (std::int64_t{1} << 20) - 1,
                                   std::int64_t{1} << 20, std::int64_t{1} << 32})
    count(value);
  for (int i = 0; i < 20000; ++i) {
    const std::uint64_t bits = random();
    count(static_cast<std::int64_t>(bits >> (bits % 64)) - 50);  // of every size
  }
  Vocabulary by_integers, by_text;
  counts.add_to(by_integers);
  for (const auto& [value, seen] : expected) by_text.count(std::to_string(value), seen);
  by_text.count("07", 3);  // text that is no integer has a number, and no place in the index
  by_integers.count("07", 3);
  by_integers.assign(2);
  by_text.assign(2);
  const IntegerIndex index(by_integers);
  CHECK(by_integers.rows() == by_text.rows());
  bool same = true;
  for (const auto& [value, seen] : expected) {
    const std::int32_t number = by_text.find(std::to_string(value));
    same = same && (number > 0) == (seen >= 2) && by_integers.find(std::to_string(value)) == number &&
           index.find(value) == number;
  }
  CHECK(same);
  CHECK(index.find(3'000'000'000'000) == by_text.find("3000000000000"));
}

TEST_CASE("integer ids: an empty vocabulary knows nothing") {
  const IntegerIndex index{Vocabulary()};
  CHECK(index.find(0) == 0);
  CHECK(index.find(-1) == 0);
  CHECK(index.find(kHighest) == 0);
}

TEST_CASE("read_vocabulary: what write wrote, and indices that begin anywhere") {
  const test::DataFolder folder;
  Vocabulary vocabulary;
  vocabulary.count("b\"\\", 3);
  vocabulary.count("grün", 2);
  vocabulary.count("rare", 1);
  vocabulary.assign(2);
  vocabulary.write(folder / "v.json");
  const Vocabulary back = read_vocabulary(folder / "v.json");
  CHECK(back.rows() == 3);
  CHECK(back.find("b\"\\") == 1);
  CHECK(back.find("grün") == 2);
  CHECK(back.find("rare") == 0);
  const Vocabulary shifted = read_vocabulary(folder.write("s.json", R"({"x": 40, "y": -3, "z": 0})"));
  CHECK(shifted.find("y") == 1);
  CHECK(shifted.find("z") == 2);
  CHECK(shifted.find("x") == 3);
  CHECK(read_vocabulary(folder.write("empty.json", "{}")).rows() == 1);
  CHECK_THAT(test::message_of([&] { read_vocabulary(folder.write("l.json", R"({"x": 18446744073709551615})")); }),
             Catch::Contains("l.json") && Catch::Contains("too large"));
}

}  // namespace mal

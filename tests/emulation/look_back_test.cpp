#include "kernels/cuda/support/look_back.h"

#include <catch2/catch.hpp>
#include <vector>

// Emulated blocks run one after the other, so a kernel's look-back finds a complete word at once. Here it meets every
// mixture of words that blocks of a GPU may leave.
namespace mal::kernels::emulated::look_back_test {

using Catch::Matchers::Contains;

__global__ void look(std::uint32_t* words, std::uint32_t index, std::uint32_t mine, std::uint32_t* before) {
  before[threadIdx.x] = look_back(words, index, mine);
}

// Words 0 … index − 1: number b counted b + 1; those at `complete` hold a sum of 1000.
std::vector<std::uint32_t> words_before(std::uint32_t index, const std::vector<std::uint32_t>& complete) {
  std::vector<std::uint32_t> words(index + 2, 0);
  for (std::uint32_t b = 0; b < index; ++b) words[b] = kPresent | (b + 1);
  words[0] |= kComplete;
  for (const std::uint32_t b : complete) words[b] = kPresent | kComplete | 1000;
  return words;
}
std::uint32_t look_from(std::vector<std::uint32_t>& words, std::uint32_t index, std::uint32_t mine) {
  std::vector<std::uint32_t> before(32);
  launch("look", look, 1, 32, 0, words.data(), index, mine, before.data());
  for (const std::uint32_t lane : before) CHECK(lane == before[0]);
  return before[0];
}

TEST_CASE("look_back adds up to the nearest complete word", "[emulation]") {
  for (const std::uint32_t index : {1U, 2U, 31U, 32U, 33U, 64U, 65U, 200U})
    for (const std::uint32_t distance : {1U, 2U, 31U, 32U, 33U, 63U, 64U, 65U, 199U, 200U}) {
      if (distance > index) continue;
      INFO("block " << index << ", the nearest complete word " << distance << " before it");
      const std::uint32_t nearest = index - distance;
      std::vector<std::uint32_t> words = words_before(index, {nearest, nearest / 2});
      std::uint32_t want = 1000;
      for (std::uint32_t b = nearest + 1; b < index; ++b) want += b + 1;
      CHECK(look_from(words, index, 5) == want);
      CHECK(words[index] == (kPresent | kComplete | (want + 5)));
      CHECK(words[index + 1] == 0);
    }
}

TEST_CASE("look_back of the first block, and of one in which the sum begins anew", "[emulation]") {
  std::vector<std::uint32_t> words(2, 0);
  CHECK(look_from(words, 0, 7) == 0);
  CHECK(words[0] == (kPresent | kComplete | 7));
  words = words_before(3, {});
  CHECK(look_from(words, 3, kComplete | 4) == 1 + 2 + 3);  // for what is before the new beginning
  CHECK(words[3] == (kPresent | kComplete | 4));
}

TEST_CASE("look_back counts up to 2^30, and none is something", "[emulation]") {
  std::vector<std::uint32_t> words = {kPresent | kComplete | (kCount - 1), kPresent, 0};
  CHECK(look_from(words, 2, 1) == kCount - 1);
  CHECK(words[2] == (kPresent | kComplete | kCount));
}

TEST_CASE("a wait that would never end is an error", "[emulation]") {
  std::vector<std::uint32_t> words = words_before(40, {});
  words[20] = 0;
  CHECK_THROWS_WITH(look_from(words, 40, 1), Contains("a block waits for a word of one that has not run"));
  words = words_before(40, {25});  // nobody waits for what does not matter, but a batch of 32 is read at once
  words[5] = 0;
  CHECK(look_from(words, 40, 1) == 1000 + (27 + 40) * 14 / 2);
}

}  // namespace mal::kernels::emulated::look_back_test

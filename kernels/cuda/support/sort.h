// Stable radix sort of (key, value) pairs, one kernel a digit. Pairs are cut into ranges, a block each. A pass needs to
// know how often each digit occurs in each range; whoever writes the keys counts the first digit, and a pass counts the
// next one as it moves a pair. So a pass has neither to look at its keys before, nor to wait for another block.
#pragma once

#include <algorithm>
#include <cstdint>

namespace mal::kernels {

inline constexpr std::int64_t kSortDigits = 256;  // that a pass can tell apart
inline constexpr std::int64_t kSortRanges = 132;  // at most: the multiprocessors of an H100
inline constexpr std::int64_t kSortGrain = 1024;  // pairs; every range but the last is a multiple

// How `count` pairs with keys of `bits` bits are sorted.
struct SortShape {
  SortShape() = default;
  SortShape(std::int64_t pairs, int bits, std::int64_t most_ranges = kSortRanges)
      : passes(std::max(1, (bits + 7) / 8)),
        digit_bits((bits + passes - 1) / passes),
        count(static_cast<std::uint32_t>(pairs)) {
    const std::int64_t grains = (pairs + kSortGrain - 1) / kSortGrain;
    range =
        static_cast<std::uint32_t>(std::max<std::int64_t>(1, (grains + most_ranges - 1) / most_ranges) * kSortGrain);
    ranges = count == 0 ? 0 : (count - 1) / range + 1;
  }

  std::int32_t passes = 1, digit_bits = 0;
  std::uint32_t count = 0, range = 0, ranges = 0;  // range: pairs of each
};

// Numbers of one pass's counts, [ranges, kSortDigits], for any count up to this one.
inline std::int64_t sort_counts(std::int64_t count) {
  return std::min(kSortRanges, (count + kSortGrain - 1) / kSortGrain) * kSortDigits;
}

struct SortBuffers {
  std::uint32_t *keys[2], *values[2];  // [count]; the keys begin in keys[0], and a pair's first value is its position
  std::uint32_t* counts;               // of the first pass, set
  std::uint32_t* later_counts;         // [passes − 1, ranges, kSortDigits], zeros
};

// By rising keys; equal keys keep their order. The result is in keys[passes % 2] and values[passes % 2].
namespace emulated {
void sort_pairs(const SortShape& shape, const SortBuffers& buffers);
}
#ifdef MAL_HAVE_CUDA
namespace cuda {
void sort_pairs(const SortShape& shape, const SortBuffers& buffers);
}
#endif

}  // namespace mal::kernels

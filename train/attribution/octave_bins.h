// Lengths of time counted in bins: 2^kBits of equal width from each power of two to the next, so a bin is 1/2^kBits of
// its time wide at most. Bins are numbers, so that parts of a log add up to the same counts in any order.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

namespace mal {

template <int kBits>
struct OctaveBins {
  static constexpr std::uint64_t kAnOctave = std::uint64_t{1} << kBits;

  // Below 0 counts as 0.
  static std::uint32_t bin_of(std::int64_t microseconds) {
    const auto value = static_cast<std::uint64_t>(std::max<std::int64_t>(microseconds, 0));
    if (value < kAnOctave) return static_cast<std::uint32_t>(value);
    const int shift = static_cast<int>(std::bit_width(value)) - kBits - 1;
    return static_cast<std::uint32_t>((value >> shift) + static_cast<std::uint64_t>(shift) * kAnOctave);
  }

  static std::int64_t begin_of(std::uint32_t bin) {
    if (bin < kAnOctave) return bin;
    const std::uint64_t shift = bin / kAnOctave - 1;
    return static_cast<std::int64_t>((bin - shift * kAnOctave) << shift);
  }
};

}  // namespace mal

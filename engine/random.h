// Counter-based random numbers: the i-th number of a stream depends only on (seed, stream name, i), so any number of
// threads and any sharding see the same bits. Philox4x32-10, Salmon et al., SC'11.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace mal {

// The generator itself: ten rounds, counter and key as in the paper.
std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key);

class Random {
 public:
  // stream: a name such as a tensor's; two names give independent streams.
  Random(std::uint64_t seed, std::string_view stream);

  std::array<std::uint32_t, 4> block(std::uint64_t index) const;    // 128 random bits
  std::uint64_t bits(std::uint64_t index) const;                    // 64 random bits
  double uniform(std::uint64_t index) const;                        // in [0, 1), 53 bits
  double normal(std::uint64_t index) const;                         // N(0, 1), Box-Muller on one block
  std::uint64_t below(std::uint64_t index, std::uint64_t n) const;  // in [0, n), n ≥ 1

 private:
  std::array<std::uint32_t, 2> key_;
  std::array<std::uint32_t, 2> stream_;
};

}  // namespace mal

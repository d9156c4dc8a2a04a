// The users of a bootstrap: how often each of them is in each resample.
//
// A user is drawn k times with the chance of a Poisson variable of mean 1, which is what drawing as many users as there
// are, with replacement, comes to when there are many (Chamandy, Muralidharan, Najmi, Naidu, "Estimating uncertainty
// for massive data streams", 2012). The draw is a hash of the user's name, the seed and the number of the resample, so
// it needs to know of no other user: order, parts and threads change nothing.
//   mix: the finalizer of splitmix64
//   h = FNV-1a of the bytes of the name, 64 bits;   s = mix(h ^ mix(seed))
//   weight in resample r (0, 1, …) = how many k have  floor(2^32 · P(X ≤ k)) ≤ mix(s + (r + 1) · 0x9E3779B97F4A7C15) >>
//   32
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace mal {

class UserWeights {
 public:
  explicit UserWeights(std::uint64_t seed);
  // One weight a resample.
  void draw(std::string_view user, std::span<std::uint8_t> weights) const;

 private:
  static constexpr std::size_t kMost = 13;  // P(X > 12) < 2^-32
  std::array<std::uint32_t, kMost> limits_ = {};
  std::uint64_t seed_;
};

}  // namespace mal

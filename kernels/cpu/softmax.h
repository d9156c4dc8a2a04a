// The softmax of one row.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "kernels/cpu/lanes.h"
#include "kernels/cpu/sigmoid.h"

namespace mal::kernels {

// fast_exp() of every lane, the same bits.
inline Vector fast_exp(Vector x) {
  constexpr float kLog2e = 1.44269504F, kLn2High = 0.693359375F, kLn2Low = -2.12194440e-4F, kRound = 12582912.0F;
  const Vector low = x < -87.0F ? Vector{} - 87.0F : x;
  const Vector at = low > 88.0F ? Vector{} + 88.0F : low;
  const Vector shifted = at * kLog2e + kRound, n = shifted - kRound;
  const Vector r = (at - n * kLn2High) - n * kLn2Low;
  Vector sum = Vector{} + 1.0F / 720.0F;
  for (const float c : {1.0F / 120.0F, 1.0F / 24.0F, 1.0F / 6.0F, 0.5F, 1.0F, 1.0F}) sum = sum * r + c;
  const IntVector power = (reinterpret_cast<IntVector>(shifted) - std::bit_cast<std::int32_t>(kRound) + 127) << 23;
  return sum * reinterpret_cast<Vector>(power);
}

// Of valid ≥ 1 numbers of a padded array, whose numbers beyond valid become 0.
inline void softmax(float* scores, std::int64_t valid) {
  const std::int64_t whole = padded(valid);
  const auto lanes_at = [valid](std::int64_t j) { return std::clamp<std::int64_t>(valid - j, 0, kLanes); };
  const Vector first = broadcast(scores[0]);
  Vector tops = first;
  for (std::int64_t j = 0; j < whole; j += kLanes) {
    const Vector x = first_lanes(load(scores + j), lanes_at(j), first);
    store(scores + j, x);
    tops = x > tops ? x : tops;
  }
  const Vector top = broadcast(largest_lane(tops));
  Vector sums[kParts] = {};
  for (std::int64_t j = 0; j < whole; j += kLanes) {
    const Vector x = first_lanes(fast_exp(load(scores + j) - top), lanes_at(j), Vector{});
    store(scores + j, x);
    sums[j / kLanes % kParts] += x;
  }
  const Vector share = broadcast(1.0F / sum_granule(sums));
  for (std::int64_t j = 0; j < whole; j += kLanes) store(scores + j, share * load(scores + j));
}

}  // namespace mal::kernels

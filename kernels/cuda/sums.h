// What several families share: sums over parts of a warp, loads of one or four floats, and the second
// half of every sum over rows: blocks leave their partial sums side by side in the workspace, and one kernel adds them
// in a fixed order. So a result never depends on which block ran first, and no atomics are needed.
#pragma once

#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "kernels/cuda/support/launch.h"
#include "kernels/cuda/support/reduce.h"
#include "kernels/cuda/support/vector.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

inline constexpr int kWarp = 32;
inline constexpr unsigned kAllLanes = 0xFFFFFFFFU;

// kPartialBlocks: blocks that leave partial sums, at most: two for each of the 132 multiprocessors of an H100 or H200.
// A constant, so that sums have the same order on every device. kMostBlocks: blocks of other grids, whose threads step
// on to further rows: enough to fill any device several times. Few in emulation, so that small tests take those steps,
// but more than sum_partials has parts.
#ifdef MAL_CUDA_EMULATION
inline constexpr std::int64_t kPartialBlocks = 18, kMostBlocks = 6;
#else
inline constexpr std::int64_t kPartialBlocks = 264, kMostBlocks = 4096;
#endif
// Bytes of shared memory that a block of sm_90 can have, and of which two or three blocks fit a multiprocessor: it has
// 228 KiB, and each block takes one of them for itself.
inline constexpr std::int64_t kMostShared = 227 * 1024, kTwoBlocks = 113 * 1024, kThreeBlocks = 75 * 1024;

inline std::int64_t ceil_div(std::int64_t a, std::int64_t b) {
  return (a + b - 1) / b;
}

// The smallest power of two that is at least n, and no more than a warp: how many lanes share a row of n items.
__device__ __host__ inline int lanes_for(std::int64_t n) {
  int lanes = 1;
  while (lanes < n && lanes < kWarp) lanes *= 2;
  return lanes;
}

// Sum over the lanes of a warp that are the same modulo `lanes`, which all get the same bits.
__device__ inline float parts_sum(float value, int lanes) {
  for (int offset = lanes; offset < kWarp; offset *= 2) value += __shfl_xor_sync(kAllLanes, value, offset);
  return value;
}

__device__ inline float warp_max(float value) {
  for (int offset = kWarp / 2; offset > 0; offset /= 2) value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, offset));
  return value;
}

__device__ inline float logistic(float x) {
  return 1.0F / (1.0F + expf(-x));
}

// One float, or four of 16-byte aligned memory.
template <int kCount>
__device__ inline void load(const float* from, float (&values)[kCount]) {
  static_assert(kCount == 1 || kCount == 4);
  if constexpr (kCount == 4) {
    const float4 four = *reinterpret_cast<const float4*>(from);
    values[0] = four.x, values[1] = four.y, values[2] = four.z, values[3] = four.w;
  } else {
    values[0] = *from;
  }
}

template <int kCount>
__device__ inline void store(float* to, const float (&values)[kCount]) {
  static_assert(kCount == 1 || kCount == 4);
  if constexpr (kCount == 4)
    *reinterpret_cast<float4*>(to) = float4{values[0], values[1], values[2], values[3]};
  else
    *to = values[0];
}

// out[i] = Σ_b partials[b · stride + i] over the blocks, in a fixed order; zeros of no blocks.
struct PartialSum {
  const float* partials;
  std::int64_t blocks, stride;
  float* out;
  std::int64_t size;
};
// All of them in one launch: now, or between begin_sums() and finish_sums() there, together with everybody else's. Then
// the partials must lie where they are until then.
void sum_partials(const PartialSum* sums, std::int32_t count);

// The next `size` floats of a row of partial sums belong to `out`.
struct Segment {
  float* out;
  std::int64_t size;
};
// The same over partials[blocks, Σ sizes] into the segments.
void sum_partials(const float* partials, std::int64_t blocks, std::initializer_list<Segment> segments);

// Throws a KernelError: what cannot be done, and what to change.
[[noreturn]] void refuse(const char* kernel, const std::string& why);

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

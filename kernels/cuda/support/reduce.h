// Sums over a warp and a block in a fixed tree: the same bits in every run.
#pragma once

#include "kernels/cuda/support/launch.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

// Over `lanes` neighbours (a power of two), in every one of them. All lanes of the warp call it.
template <typename T>
__device__ T warp_sum(T value, int lanes = 32) {
  for (int step = lanes / 2; step > 0; step /= 2) value += __shfl_xor_sync(0xFFFFFFFFU, value, step);
  return value;
}

// Over a block of whole warps along x, in every thread. All threads call it.
template <typename T>
__device__ T block_sum(T value) {
  MAL_SHARED(T, partial, [32]);
  value = warp_sum(value);
  __syncthreads();  // the last call's sums have been read
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = value;
  __syncthreads();
  const unsigned lane = threadIdx.x % 32;
  return warp_sum(lane < blockDim.x / 32 ? partial[lane] : T{});
}

template <typename T>
struct BlockScan {
  T before, all;  // Σ of the threads before this one, and of all
};

// As block_sum.
template <typename T>
__device__ BlockScan<T> block_scan(T value) {
  MAL_SHARED(T, sums, [32]);
  const unsigned lane = threadIdx.x % 32, warps = blockDim.x / 32;
  T inclusive = value;
  for (unsigned step = 1; step < 32; step *= 2) {
    const T left = __shfl_up_sync(0xFFFFFFFFU, inclusive, step);
    if (lane >= step) inclusive += left;
  }
  __syncthreads();  // the last call's sums have been read
  if (lane == 31) sums[threadIdx.x / 32] = inclusive;
  __syncthreads();
  BlockScan<T> scan{inclusive - value, T{}};
  for (unsigned w = 0; w < warps; ++w) {
    if (w < threadIdx.x / 32) scan.before += sums[w];
    scan.all += sums[w];
  }
  return scan;
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

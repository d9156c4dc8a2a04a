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

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

// What the lookup and its gradient share.
#pragma once

#include "kernels/cuda/support/launch.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

__device__ inline std::int32_t valid_positions(const std::int32_t* lengths, std::int32_t length, std::int64_t row) {
  return lengths == nullptr ? length : lengths[row];
}

__device__ inline float pooling_weight(Pooling pooling, std::int32_t count) {
  if (pooling == Pooling::mean) return 1.0F / static_cast<float>(count);
  if (pooling == Pooling::sqrtn) return 1.0F / sqrtf(static_cast<float>(count));
  return 1.0F;
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

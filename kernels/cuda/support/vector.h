// 16-byte access.
#pragma once

#include "kernels/cuda/support/launch.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

// Whether a row-major matrix can be read four floats at a time: pointer and stride are multiples of 16 bytes.
inline bool vectors(const float* data, std::int64_t stride) {
  return reinterpret_cast<std::uintptr_t>(data) % sizeof(float4) == 0 && stride % 4 == 0;
}

// Whether two matrices with rows of `width` columns lie in each other's way: as columns of one matrix they may.
inline bool overlap(const float* a, const float* b, std::int64_t width) {
  return a < b + width && b < a + width;
}

template <typename T>
__device__ T load(const float* data) {
  return *reinterpret_cast<const T*>(data);
}
template <typename T>
__device__ void store(float* data, T value) {
  *reinterpret_cast<T*>(data) = value;
}

// sum += factor · value, for each part of a float or a float4.
template <typename T>
__device__ void add_scaled(T& sum, const T& value, float factor) {
#pragma unroll
  for (int i = 0; i < static_cast<int>(sizeof(T) / sizeof(float)); ++i)
    reinterpret_cast<float*>(&sum)[i] += factor * reinterpret_cast<const float*>(&value)[i];
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

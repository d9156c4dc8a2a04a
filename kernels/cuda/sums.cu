#include "kernels/cuda/sums.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

namespace {

constexpr int kSegments = 6;
constexpr int kParts = 16;  // of the blocks, each summed by its own warp

struct Segments {
  Segment of[kSegments];  // those that are missing are empty
};

// A warp reads 32 columns of one partial at a time; its part's sums meet in shared memory.
__global__ void __launch_bounds__(kParts* kWarp)
    sum_partials_kernel(const float* partials, std::int64_t blocks, std::int64_t size, Segments segments) {
  MAL_SHARED(float, sums, [kParts][kWarp]);
  const int lane = static_cast<int>(threadIdx.x) % kWarp, part = static_cast<int>(threadIdx.x) / kWarp;
  std::int64_t column = static_cast<std::int64_t>(blockIdx.x) * kWarp + lane;
  float sum = 0;
  if (column < size) {
#pragma unroll 4
    for (std::int64_t b = part; b < blocks; b += kParts) sum += partials[b * size + column];
  }
  sums[part][lane] = sum;
  __syncthreads();
  if (part != 0 || column >= size) return;
  for (int p = 1; p < kParts; ++p) sum += sums[p][lane];
#pragma unroll
  for (const Segment& segment : segments.of) {
    if (column >= 0 && column < segment.size) segment.out[column] = sum;
    column -= segment.size;
  }
}

}  // namespace

void sum_partials(const float* partials, std::int64_t blocks, std::initializer_list<Segment> segments) {
  Segments all{};
  std::int64_t size = 0;
  int count = 0;
  for (const Segment& segment : segments) {
    all.of[count++] = segment;
    size += segment.size;
  }
  launch("sum_partials", sum_partials_kernel, grid_of(size, kWarp), kParts * kWarp, 0, partials, blocks, size, all);
}

void refuse(const char* kernel, const std::string& why) {
  throw KernelError(std::string(kernel) + ": " + why);
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

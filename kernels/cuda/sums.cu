#include "kernels/cuda/sums.h"

#include <vector>

#include "kernels/cuda/support/chunk.h"
#include "kernels/kernels.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

namespace {

constexpr int kParts = 16;  // of the blocks, each summed by its own warp

// Of the calling thread, as its stream is: what waits for finish_sums().
struct Waiting {
  bool open = false;
  std::vector<PartialSum> sums;
};
thread_local Waiting waiting;

// A warp reads 32 columns of one partial at a time; its part's sums meet in shared memory.
__global__ void __launch_bounds__(kParts* kWarp) sum_partials_kernel(const __grid_constant__ Chunk<PartialSum> chunk) {
  MAL_SHARED(float, sums, [kParts][kWarp]);
  const int item = item_of(chunk, blockIdx.x);
  const PartialSum& p = chunk.items[item];
  const int lane = static_cast<int>(threadIdx.x) % kWarp, part = static_cast<int>(threadIdx.x) / kWarp;
  const std::int64_t column = (static_cast<std::int64_t>(blockIdx.x) - chunk.first[item]) * kWarp + lane;
  float sum = 0;
  if (column < p.size) {
#pragma unroll 4
    for (std::int64_t b = part; b < p.blocks; b += kParts) sum += p.partials[b * p.stride + column];
  }
  sums[part][lane] = sum;
  __syncthreads();
  if (part != 0 || column >= p.size) return;
  for (int other = 1; other < kParts; ++other) sum += sums[other][lane];
  p.out[column] = sum;
}

void add_up(const PartialSum* sums, std::int32_t count) {
  for_each_chunk<PartialSum>(
      count, [&](int i) { return sums[i]; }, [&](int i) { return ceil_div(sums[i].size, kWarp); },
      [](const Chunk<PartialSum>& chunk) {
        launch("sum_partials", sum_partials_kernel, chunk.blocks(), kParts * kWarp, 0, chunk);
      });
}

}  // namespace

void sum_partials(const PartialSum* sums, std::int32_t count) {
  if (waiting.open)
    waiting.sums.insert(waiting.sums.end(), sums, sums + count);
  else
    add_up(sums, count);
}

void sum_partials(const float* partials, std::int64_t blocks, std::initializer_list<Segment> segments) {
  std::vector<PartialSum> sums;
  std::int64_t stride = 0;
  for (const Segment& segment : segments) {
    sums.push_back({partials + stride, blocks, 0, segment.out, segment.size});
    stride += segment.size;
  }
  for (PartialSum& sum : sums) sum.stride = stride;
  sum_partials(sums.data(), static_cast<std::int32_t>(sums.size()));
}

bool defers_sums() {
  return true;
}

void begin_sums() {
  waiting.open = true;
  waiting.sums.clear();  // of a pass that an exception ended
}

void finish_sums() {
  waiting.open = false;
  add_up(waiting.sums.data(), static_cast<std::int32_t>(waiting.sums.size()));
}

void refuse(const char* kernel, const std::string& why) {
  throw KernelError(std::string(kernel) + ": " + why);
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

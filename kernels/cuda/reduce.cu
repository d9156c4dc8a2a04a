// Reductions over many arrays. A block sums one tile of one array in fp64; a second kernel adds the tiles' sums: no
// atomics, one tree. Memory-bound.
#include "kernels/cuda/support/chunk.h"
#include "kernels/cuda/support/reduce.h"
#include "kernels/cuda/support/vector.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

namespace {

constexpr int kThreads = 256;
constexpr std::int64_t kTile = 4096;

struct Pair {
  const float *a, *b;
  const std::int64_t* count;
  std::int64_t size;
  std::int64_t width;
};

std::int64_t tiles_of(const Span& span) {
  return (span.size + kTile - 1) / kTile;
}

__device__ double product(float a, float b) {
  return static_cast<double>(a) * static_cast<double>(b);
}

__global__ void __launch_bounds__(kThreads) sum_tiles(const __grid_constant__ Chunk<Pair> chunk, double* partial) {
  const int item = item_of(chunk, blockIdx.x);
  const Pair& pair = chunk.items[item];
  std::int64_t size = pair.size;
  if (pair.count != nullptr) size = min(size, *pair.count * pair.width);
  const std::int64_t first = (static_cast<std::int64_t>(blockIdx.x) - chunk.first[item]) * kTile;
  const auto left = static_cast<int>(max(std::int64_t{0}, min(kTile, size - first)));
  const float *a = pair.a + first, *b = pair.b + first;
  double sum = 0;
  int done = 0;
  if (reinterpret_cast<std::uintptr_t>(a) % 16 == 0 && reinterpret_cast<std::uintptr_t>(b) % 16 == 0) {
    done = left / 4 * 4;
    for (int i = static_cast<int>(threadIdx.x) * 4; i < done; i += kThreads * 4) {
      const auto x = load<float4>(a + i), y = load<float4>(b + i);
      sum += product(x.x, y.x) + product(x.y, y.y) + product(x.z, y.z) + product(x.w, y.w);
    }
  }
  for (int i = done + static_cast<int>(threadIdx.x); i < left; i += kThreads) sum += product(a[i], b[i]);
  sum = block_sum(sum);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

__device__ double sum_of(const double* partial, std::int64_t tiles) {
  double sum = 0;
  for (std::int64_t i = threadIdx.x; i < tiles; i += blockDim.x) sum += partial[i];
  return block_sum(sum);
}

__global__ void __launch_bounds__(1024) finish_dot(const double* partial, std::int64_t tiles, double* out) {
  const double sum = sum_of(partial, tiles);
  if (threadIdx.x == 0) *out = sum;
}

__global__ void __launch_bounds__(1024) finish_norm(const double* partial, std::int64_t tiles, const double* losses,
                                                    std::int32_t loss_count, double clip_norm, GradientNorm* out) {
  const double norm = sqrt(sum_of(partial, tiles));
  bool finite = isfinite(norm);
  for (int i = static_cast<int>(threadIdx.x); i < loss_count; i += static_cast<int>(blockDim.x))
    finite = finite && isfinite(losses[i]);
  finite = __syncthreads_and(finite ? 1 : 0) != 0;
  if (threadIdx.x != 0) return;
  out->norm = norm;
  out->scale = clip_norm > 0 && norm > clip_norm ? static_cast<float>(clip_norm / norm) : 1.0F;
  out->finite = finite ? 1 : 0;
}

// Sums of all tiles into workspace; returns how many.
std::int64_t start_tiles(const char* name, const Span* a, const Span* b, std::int32_t count, double* workspace) {
  std::int64_t tiles = 0;
  for_each_chunk<Pair>(
      count,
      [&](int i) {
        return Pair{a[i].data, b[i].data, a[i].count, a[i].size, a[i].width};
      },
      [&](int i) { return tiles_of(a[i]); },
      [&](const Chunk<Pair>& chunk) {
        launch(name, sum_tiles, chunk.blocks(), kThreads, 0, chunk, workspace + tiles);
        tiles += chunk.blocks();
      });
  return tiles;
}

}  // namespace

void dot(const Span* a, const Span* b, std::int32_t count, double* out, double* workspace) {
  const std::int64_t tiles = start_tiles("dot", a, b, count, workspace);
  launch("dot's end", finish_dot, 1, 1024, 0, workspace, tiles, out);
}

std::int64_t dot_workspace(const Span* spans, std::int32_t count) {
  std::int64_t tiles = 0;
  for (std::int32_t i = 0; i < count; ++i) tiles += tiles_of(spans[i]);
  return tiles;
}

void gradient_norm(const Span* spans, std::int32_t count, const double* losses, std::int32_t loss_count,
                   double clip_norm, GradientNorm* out, double* workspace) {
  const std::int64_t tiles = start_tiles("gradient_norm", spans, spans, count, workspace);
  launch("gradient_norm's end", finish_norm, 1, 1024, 0, workspace, tiles, losses, loss_count, clip_norm, out);
}

std::int64_t gradient_norm_workspace(const Span* spans, std::int32_t count) {
  return MAL_CUDA_NAMESPACE::dot_workspace(spans, count);
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

// SimTier: a warp takes a row. Its histogram lies in shared memory, where the lanes count scores with integer atomics
// (their order does not change a count); then the lanes write the row.
//
// Backward, every warp adds its rows' part of the table's gradient in registers, 128 columns a block; the warps' sums
// meet in shared memory at the end.
#include "kernels/cuda/sums.h"
#include "kernels/kernels.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;
constexpr int kColumns = 4;  // of a lane, backward

struct Scores {
  const float* data;
  const std::int32_t* lengths;  // null: all positions
  std::int64_t rows;
  int length, tiers;
};

// NaN goes to the first tier: it must not reach beyond the histogram.
__device__ int tier_of(float score, int tiers) {
  const float clamped = fminf(fmaxf(score, -1.0F), 1.0F);
  const int tier = static_cast<int>((clamped + 1.0F) * static_cast<float>(tiers) / 2.0F);
  return tier < tiers ? tier : tiers - 1;
}

// n_t of one row into counts[T]; the warp calls it together.
__device__ void count_tiers(const Scores& scores, std::int64_t row, int lane, int* counts) {
  __syncwarp();  // who still reads the counts of the row before
  for (int t = lane; t < scores.tiers; t += kWarp) counts[t] = 0;
  __syncwarp();
  const int valid = scores.lengths == nullptr ? scores.length : scores.lengths[row];
  for (int j = lane; j < valid; j += kWarp)
    atomicAdd(counts + tier_of(scores.data[row * scores.length + j], scores.tiers), 1);
  __syncwarp();
}

__device__ int* counts_of_warp(const Scores& scores) {
  return dynamic_shared<int>() + static_cast<int>(threadIdx.x) / kWarp * scores.tiers;
}

template <bool kLog1p>
__global__ void __launch_bounds__(kThreads) simtier_count_kernel(Scores scores, float* out, std::int64_t ldout) {
  int* counts = counts_of_warp(scores);
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  for (std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * kWarps + static_cast<int>(threadIdx.x) / kWarp;
       row < scores.rows; row += static_cast<std::int64_t>(gridDim.x) * kWarps) {
    count_tiers(scores, row, lane, counts);
    for (int t = lane; t < scores.tiers; t += kWarp) {
      const auto n = static_cast<float>(counts[t]);
      out[row * ldout + t] = kLog1p ? log1pf(n) : n;
    }
  }
}

__global__ void __launch_bounds__(kThreads)
    simtier_embedding_forward_kernel(Scores scores, const float* table, float* out, std::int64_t ldout, int width) {
  int* counts = counts_of_warp(scores);
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  for (std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * kWarps + static_cast<int>(threadIdx.x) / kWarp;
       row < scores.rows; row += static_cast<std::int64_t>(gridDim.x) * kWarps) {
    count_tiers(scores, row, lane, counts);
    for (int i = lane; i < scores.tiers * width; i += kWarp)
      out[row * ldout + i] = log2f(1.0F + static_cast<float>(counts[i / width])) * table[i];
  }
}

// blockIdx.y: 128 columns of the table's T · q. partials[gridDim.x, T · q].
__global__ void __launch_bounds__(kThreads)
    simtier_embedding_backward_kernel(Scores scores, const float* dout, std::int64_t lddout, float* partials,
                                      int width) {
  MAL_SHARED(float, sums, [kWarps][kColumns * kWarp]);
  int* counts = counts_of_warp(scores);
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  const int size = scores.tiers * width, first = static_cast<int>(blockIdx.y) * kColumns * kWarp;
  float sum[kColumns] = {};
  for (std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * kWarps + warp; row < scores.rows;
       row += static_cast<std::int64_t>(gridDim.x) * kWarps) {
    count_tiers(scores, row, lane, counts);
#pragma unroll
    for (int k = 0; k < kColumns; ++k) {
      const int i = first + k * kWarp + lane;
      if (i >= size) continue;
      const int count = counts[i / width];
      if (count > 0) sum[k] += log2f(1.0F + static_cast<float>(count)) * dout[row * lddout + i];
    }
  }
#pragma unroll
  for (int k = 0; k < kColumns; ++k) sums[warp][k * kWarp + lane] = sum[k];
  __syncthreads();
  const int i = static_cast<int>(threadIdx.x);
  if (i >= kColumns * kWarp || first + i >= size) return;
  float total = 0;
  for (int w = 0; w < kWarps; ++w) total += sums[w][i];
  partials[static_cast<std::int64_t>(blockIdx.x) * size + first + i] = total;
}

Scores scores_of(const char* kernel, const float* data, std::int64_t length, const std::int32_t* lengths,
                 std::int64_t rows, std::int64_t tiers) {
  constexpr std::int64_t kMostTiers = (kMostShared - kThreads * kColumns * 4) / (kWarps * 4);
  if (tiers > kMostTiers)
    refuse(kernel, std::to_string(tiers) + " tiers are too many, at most " + std::to_string(kMostTiers) +
                       " fit a block's shared memory; use fewer tiers");
  return {data, lengths, rows, static_cast<int>(length), static_cast<int>(tiers)};
}

std::size_t shared_of(const Scores& scores) {
  return static_cast<std::size_t>(kWarps * scores.tiers) * sizeof(int);
}

std::int64_t backward_blocks(std::int64_t rows) {
  return grid_of(rows, kWarps, kPartialBlocks);
}

}  // namespace

void simtier_count_forward(const float* scores, std::int64_t length, const std::int32_t* lengths, float* out,
                           std::int64_t ldout, std::int64_t rows, std::int64_t tiers, bool log1p) {
  if (rows == 0) return;
  const Scores all = scores_of("simtier_count_forward", scores, length, lengths, rows, tiers);
  launch("simtier_count_forward", log1p ? simtier_count_kernel<true> : simtier_count_kernel<false>,
         grid_of(rows, kWarps, kMostBlocks), kThreads, shared_of(all), all, out, ldout);
}

void simtier_embedding_forward(const float* scores, std::int64_t length, const std::int32_t* lengths,
                               const float* table, float* out, std::int64_t ldout, std::int64_t rows,
                               std::int64_t tiers, std::int64_t width) {
  if (rows == 0) return;
  const Scores all = scores_of("simtier_embedding_forward", scores, length, lengths, rows, tiers);
  launch("simtier_embedding_forward", simtier_embedding_forward_kernel, grid_of(rows, kWarps, kMostBlocks), kThreads,
         shared_of(all), all, table, out, ldout, static_cast<int>(width));
}

void simtier_embedding_backward(const float* scores, std::int64_t length, const std::int32_t* lengths,
                                const float* dout, std::int64_t lddout, float* dtable, std::int64_t rows,
                                std::int64_t tiers, std::int64_t width, float* workspace) {
  const std::int64_t blocks = backward_blocks(rows), size = tiers * width;
  if (rows > 0) {
    const Scores all = scores_of("simtier_embedding_backward", scores, length, lengths, rows, tiers);
    launch("simtier_embedding_backward", simtier_embedding_backward_kernel,
           dim3(static_cast<unsigned>(blocks), static_cast<unsigned>(ceil_div(size, kColumns * kWarp))), kThreads,
           shared_of(all), all, dout, lddout, workspace, static_cast<int>(width));
  }
  sum_partials(workspace, blocks, {{dtable, size}});
}

std::int64_t simtier_embedding_backward_workspace(std::int64_t rows, std::int64_t tiers, std::int64_t width) {
  return backward_blocks(rows) * tiers * width;
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

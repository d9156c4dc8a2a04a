// SimTier: a warp takes a row. Its histogram lies in shared memory, where the lanes count scores with integer atomics
// (their order does not change a count); then the lanes write the row.
//
// Backward, every warp adds its rows' part of the table's gradient in registers, 128 columns a block; the warps' sums
// meet in shared memory at the end.
#include <vector>

#include "kernels/cuda/sums.h"
#include "kernels/cuda/support/chunk.h"
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

struct Forward {
  Scores scores;
  const float* table;
  float* out;
  std::int64_t ldout;
};

__global__ void __launch_bounds__(kThreads)
    simtier_embedding_forward_kernel(const __grid_constant__ Chunk<Forward> chunk, int width) {
  const int item = item_of(chunk, blockIdx.x);
  const Forward& f = chunk.items[item];
  const std::int64_t block = static_cast<std::int64_t>(blockIdx.x) - chunk.first[item],
                     blocks = chunk.first[item + 1] - chunk.first[item];
  const Scores& scores = f.scores;
  int* counts = counts_of_warp(scores);
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  for (std::int64_t row = block * kWarps + static_cast<int>(threadIdx.x) / kWarp; row < scores.rows;
       row += blocks * kWarps) {
    count_tiers(scores, row, lane, counts);
    for (int i = lane; i < scores.tiers * width; i += kWarp)
      f.out[row * f.ldout + i] = log2f(1.0F + static_cast<float>(counts[i / width])) * f.table[i];
  }
}

struct Backward {
  Scores scores;
  const float* dout;
  std::int64_t lddout;
  float* partials;  // [blocks, T · q]
};

// blockIdx.y: 128 columns of the table's T · q.
__global__ void __launch_bounds__(kThreads)
    simtier_embedding_backward_kernel(const __grid_constant__ Chunk<Backward> chunk, int width) {
  MAL_SHARED(float, sums, [kWarps][kColumns * kWarp]);
  const int item = item_of(chunk, blockIdx.x);
  const Backward& b = chunk.items[item];
  const std::int64_t block = static_cast<std::int64_t>(blockIdx.x) - chunk.first[item],
                     blocks = chunk.first[item + 1] - chunk.first[item];
  const Scores& scores = b.scores;
  int* counts = counts_of_warp(scores);
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  const int size = scores.tiers * width, first = static_cast<int>(blockIdx.y) * kColumns * kWarp;
  float sum[kColumns] = {};
  for (std::int64_t row = block * kWarps + warp; row < scores.rows; row += blocks * kWarps) {
    count_tiers(scores, row, lane, counts);
#pragma unroll
    for (int k = 0; k < kColumns; ++k) {
      const int i = first + k * kWarp + lane;
      if (i >= size) continue;
      const int count = counts[i / width];
      if (count > 0) sum[k] += log2f(1.0F + static_cast<float>(count)) * b.dout[row * b.lddout + i];
    }
  }
#pragma unroll
  for (int k = 0; k < kColumns; ++k) sums[warp][k * kWarp + lane] = sum[k];
  __syncthreads();
  const int i = static_cast<int>(threadIdx.x);
  if (i >= kColumns * kWarp || first + i >= size) return;
  float total = 0;
  for (int w = 0; w < kWarps; ++w) total += sums[w][i];
  b.partials[block * size + first + i] = total;
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

void simtier_embedding_forward(const SimTierForward* calls, std::int32_t count, std::int64_t rows, std::int64_t length,
                               std::int64_t tiers, std::int64_t width) {
  for_each_chunk<Forward>(
      count,
      [&](int i) {
        const SimTierForward& c = calls[i];
        return Forward{scores_of("simtier_embedding_forward", c.scores, length, c.lengths, rows, tiers), c.table, c.out,
                       c.ldout};
      },
      [&](int) { return std::int64_t{grid_of(rows, kWarps, kMostBlocks)}; },
      [&](const Chunk<Forward>& chunk) {
        launch("simtier_embedding_forward", simtier_embedding_forward_kernel, chunk.blocks(), kThreads,
               shared_of(chunk.items[0].scores), chunk, static_cast<int>(width));
      });
}

void simtier_embedding_backward(const SimTierBackward* calls, std::int32_t count, std::int64_t rows,
                                std::int64_t length, std::int64_t tiers, std::int64_t width, float* workspace) {
  const std::int64_t blocks = backward_blocks(rows), size = tiers * width;
  const auto partials_of = [&](std::int32_t i) { return workspace + i * blocks * size; };
  for_each_chunk<Backward>(
      count,
      [&](int i) {
        const SimTierBackward& c = calls[i];
        return Backward{scores_of("simtier_embedding_backward", c.scores, length, c.lengths, rows, tiers), c.dout,
                        c.lddout, partials_of(i)};
      },
      [&](int) { return blocks; },
      [&](const Chunk<Backward>& chunk) {
        launch("simtier_embedding_backward", simtier_embedding_backward_kernel,
               dim3(chunk.blocks(), static_cast<unsigned>(ceil_div(size, kColumns * kWarp))), kThreads,
               shared_of(chunk.items[0].scores), chunk, static_cast<int>(width));
      });
  std::vector<PartialSum> sums;
  for (std::int32_t i = 0; i < count; ++i) sums.push_back({partials_of(i), blocks, size, calls[i].dtable, size});
  sum_partials(sums.data(), count);
}

std::int64_t simtier_embedding_backward_workspace(std::int32_t count, std::int64_t rows, std::int64_t tiers,
                                                  std::int64_t width) {
  return count * backward_blocks(rows) * tiers * width;
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

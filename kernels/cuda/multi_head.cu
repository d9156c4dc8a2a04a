// Multi-head attention with one query a row, forward (multi_head.h says how), in one launch.
#include "kernels/cuda/multi_head.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

namespace {

constexpr int kWarps = 8;  // of a block, at most

struct Forward {
  MultiHeadSizes sizes;
  MultiHeadParameters parameters;
  const float *query, *sequence;
  const std::int32_t* lengths;
  float *out, *probabilities;
  std::int64_t ldquery, ldsequence, ldout, rows;
  bool vector;
};

// A warp's shared memory: query and o [columns], u and pooled [heads, columns], probabilities [heads, positions].
__device__ __host__ inline int forward_floats(const MultiHeadSizes& s) {
  return (2 + 2 * s.heads) * s.columns + s.heads * s.positions;
}

template <int kTile>
__device__ void row_forward(const Forward& p, std::int64_t row, int valid, const Walk& walk, int lane, float* memory) {
  const MultiHeadSizes& s = p.sizes;
  float *query = memory, *o = query + s.columns, *u = o + s.columns, *pooled = u + s.heads * s.columns;
  float *scores = pooled + s.heads * s.columns, *probabilities = p.probabilities + row * s.heads * s.length;
  const float* sequence = p.sequence + row * p.ldsequence;
  copy_row(p.query + row * p.ldquery, s.width, s.columns, lane, query);
  __syncwarp();
  fold_heads(s, p.parameters.key, query, s.scale, lane, u);
  __syncwarp();
  position_dots<kTile>(s, sequence, valid, p.vector, u, lane, scores);
  for (int h = 0; h < s.heads; ++h) {
    softmax(scores + h * s.positions, valid, lane);
    for (int j = lane; j < s.length; j += kWarp)
      probabilities[h * s.length + j] = j < valid ? scores[h * s.positions + j] : 0.0F;
  }
  __syncwarp();
  pool_heads(s, sequence, valid, scores, walk, pooled);
  __syncwarp();
  times_columns(s, pooled, false, p.parameters.value, walk,
                [&](int m, float sum) { o[m] = p.parameters.value_bias[m] + sum; });
  __syncwarp();
  times_columns(s, o, true, p.parameters.output, walk,
                [&](int n, float sum) { p.out[row * p.ldout + n] = p.parameters.output_bias[n] + sum; });
}

template <int kTile>
__global__ void __launch_bounds__(kWarps* kWarp) multi_head_forward_kernel(const __grid_constant__ Forward p) {
  const MultiHeadSizes& s = p.sizes;
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  const int warps = static_cast<int>(blockDim.x) / kWarp;
  float* memory = dynamic_shared<float>() + warp * forward_floats(s);
  const Walk walk = walk_of(lane, s.width);
  for (std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * warps + warp; row < p.rows;
       row += static_cast<std::int64_t>(gridDim.x) * warps) {
    const int valid = p.lengths[row];
    if (valid > 0) {
      __syncwarp();  // who still reads the row before
      row_forward<kTile>(p, row, valid, walk, lane, memory);
      continue;
    }
    for (int n = lane; n < s.width; n += kWarp) p.out[row * p.ldout + n] = 0;
    for (int j = lane; j < s.heads * s.length; j += kWarp) p.probabilities[row * s.heads * s.length + j] = 0;
  }
}

}  // namespace

void multi_head_forward(const MultiHeadShape& shape, const MultiHeadParameters& parameters, const float* query,
                        std::int64_t ldquery, const float* sequence, std::int64_t ldsequence,
                        const std::int32_t* lengths, float* out, std::int64_t ldout, float* probabilities) {
  const int tile = multi_head_tile(shape);
  const MultiHeadSizes sizes = multi_head_sizes(shape, tile);
  int warps = kWarps;
  const auto bytes = [&] { return std::int64_t{warps} * forward_floats(sizes) * std::int64_t{sizeof(float)}; };
  while (warps > 1 && bytes() > kTwoBlocks) warps /= 2;
  if (bytes() > kMostShared)
    refuse("multi_head_forward", std::to_string(shape.heads) + " heads over " + std::to_string(shape.length) +
                                     " positions of " + std::to_string(shape.width) +
                                     " columns do not fit a block's shared memory; use fewer heads or a shorter "
                                     "sequence");
  const Forward p{sizes,      parameters, query,         sequence,
                  lengths,    out,        probabilities, ldquery,
                  ldsequence, ldout,      shape.rows,    vectors(sequence, ldsequence) && shape.width % 4 == 0};
  const auto kernel = tile == 16  ? multi_head_forward_kernel<16>
                      : tile == 8 ? multi_head_forward_kernel<8>
                                  : multi_head_forward_kernel<4>;
  launch("multi_head_forward", kernel, grid_of(shape.rows, warps, kMostBlocks), static_cast<unsigned>(warps * kWarp),
         static_cast<std::size_t>(bytes()), p);
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

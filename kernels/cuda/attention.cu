// DIN's target attention, forward (din.h says how): scores, softmax and the weighted sum of a sample in one launch, for
// all sequences of one shape; a sequence comes from memory once.
#include "kernels/cuda/din.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

namespace {

constexpr int kWarps = 8;  // of a block, at most

struct Forward {
  DinSizes sizes;
  DinLayer layer;
  const float *b2, *sequence, *target;
  const std::int32_t* lengths;
  float *out, *scores;
  std::int64_t ldsequence, ldtarget, ldout, rows;
  bool softmax, vector;
};

__device__ __host__ inline int forward_floats(const DinSizes& s) {  // of a warp
  return s.columns * s.chunk + s.chunk + s.columns + (s.length + 3) / 4 * 4;
}

// Raw scores of a sample, each written by the lane that has the position.
template <int kTile>
__device__ void raw_scores(const Forward& p, const float* sequence, int valid, int lane, const float* alpha,
                           const float* w2, const float* t, float* m, float* c, float* scores) {
  const DinSizes& s = p.sizes;
  for (int unit = 0; unit < s.units; unit += s.chunk) {
    const int count = s.units - unit < s.chunk ? s.units - unit : s.chunk;
    __syncwarp();  // t is written; M_t of the units before is read
    fold(s, p.layer, t, unit, lane, m, c);
    __syncwarp();
    for (int j = lane; j < valid; j += kWarp) {
      const float* position = sequence + j * s.width;
      float sum = unit == 0 ? p.b2[0] : scores[j], e[kTile];
      load_tile(position, 0, s.width, p.vector, e);
      for (int k = 0; k < count; k += 4) {
        float h[4], slopes[4], weights[4];
        pre_activations(s, position, s.width, p.vector, e, m, c, k, h);
        load(alpha + unit + k, slopes);
        load(w2 + unit + k, weights);
        for (int n = 0; n < 4; ++n) sum += weights[n] * (h[n] > 0 ? h[n] : slopes[n] * h[n]);
      }
      scores[j] = sum;
    }
  }
}

// Shared memory: alpha and w2 [units], then each warp's M_t, c_t, t and scores.
template <int kTile>
__global__ void __launch_bounds__(kWarps* kWarp) din_forward_kernel(const __grid_constant__ Chunk<Forward> chunk) {
  const DinBlock block = din_block(chunk);
  const Forward& p = chunk.items[block.item];
  const DinSizes& s = p.sizes;
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  const int warps = static_cast<int>(blockDim.x) / kWarp;
  float *alpha = dynamic_shared<float>(), *w2 = alpha + s.units;
  float *m = w2 + s.units + warp * forward_floats(s), *c = m + s.columns * s.chunk, *t = c + s.chunk;
  float* scores = t + s.columns;
  copy_padded(p.layer.alpha, s.hidden, s.units, alpha);
  copy_padded(p.layer.w2, s.hidden, s.units, w2);
  __syncthreads();
  const Walk walk = walk_of(lane, s.width);
  for (std::int64_t row = block.index * warps + warp; row < p.rows; row += block.count * warps) {
    const float* sequence = p.sequence + row * p.ldsequence;
    const int valid = p.lengths[row];
    __syncwarp();  // who still reads t or the scores of the row before
    copy_row(p.target + row * p.ldtarget, s.width, s.columns, lane, t);
    if (valid > 0) raw_scores<kTile>(p, sequence, valid, lane, alpha, w2, t, m, c, scores);
    if (p.softmax) softmax(scores, valid, lane);
    for (int j = lane; j < s.length; j += kWarp) p.scores[row * s.length + j] = j < valid ? scores[j] : 0.0F;
    __syncwarp();
    for (int first = 0; first < s.width; first += walk.columns) {
      const int i = first + walk.column;
      const float sum = weighted_column(scores, sequence, s.width, valid, walk, i);
      if (i < s.width && walk.part == 0) p.out[row * p.ldout + i] = sum;
    }
  }
}

}  // namespace

// Backward computes the hidden layer again: it costs less than its way through memory.
std::int64_t din_kept(const DinShape&) {
  return 0;
}

void din_forward(const DinShape& shape, const DinForward* calls, std::int32_t count) {
  const DinPlan plan = din_plan("din_forward", shape, kWarps, [](const DinSizes& s, int warps) {
    return std::int64_t{warps} * forward_floats(s) + 2 * s.units;
  });
  const auto kernel = plan.tile == 16  ? din_forward_kernel<16>
                      : plan.tile == 8 ? din_forward_kernel<8>
                                       : din_forward_kernel<4>;
  for_each_chunk<Forward>(
      count,
      [&](int i) {
        const DinForward& c = calls[i];
        return Forward{plan.sizes,      layer_of(c.parameters),
                       c.parameters.b2, c.sequence,
                       c.target,        c.lengths,
                       c.out,           c.scores,
                       c.ldsequence,    c.ldtarget,
                       c.ldout,         shape.rows,
                       shape.softmax,   vectors(c.sequence, c.ldsequence) && shape.width % 4 == 0};
      },
      [&](int) { return std::int64_t{grid_of(shape.rows, plan.warps, kMostBlocks)}; },
      [&](const Chunk<Forward>& chunk) {
        launch("din_forward", kernel, chunk.blocks(), static_cast<unsigned>(plan.warps * kWarp), plan.shared, chunk);
      });
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

// DIN's target attention on the GPU: what forward (attention.cu) and backward (attention_backward.cu) share. A warp
// takes a sample. With w1 = [Wa; Wb; Wc; Wd] the first layer folds, as on the CPU:
//   [e; t; e − t; e ⊙ t] w1 + b1 = e (Wa + Wc + diag(t) Wd) + t (Wb − Wc) + b1 = e M_t + c_t
// M_t [d, h] lies in the warp's shared memory; w1 itself stays in the first-level cache. A lane takes a position: its
// vector is in registers, M_t's numbers are the same for all lanes, so that one 16-byte read feeds four multiply-adds
// of the whole warp, and a score needs no sum over lanes. Hidden layers too large for shared memory are taken some
// units at a time.
#pragma once

#include "kernels/cuda/positions.h"
#include "kernels/cuda/support/chunk.h"
#include "kernels/kernels.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

struct DinSizes {
  int length, width, hidden;
  int columns;  // width, rounded up to whole tiles
  int chunk;    // hidden units at a time, a multiple of 4
  int units;    // hidden, rounded up to a multiple of 4
};

// Parameters of the hidden layer.
struct DinLayer {
  const float *w1, *b1, *alpha, *w2;
};

inline DinLayer layer_of(const DinParameters& p) {
  return {p.w1, p.b1, p.alpha, p.w2};
}

// Which sequence a block works on, as which of its blocks, and how many it has.
struct DinBlock {
  int item;
  std::int64_t index, count;
};
template <typename Item>
__device__ DinBlock din_block(const Chunk<Item>& chunk) {
  const int item = item_of(chunk, blockIdx.x);
  return {item, static_cast<std::int64_t>(blockIdx.x) - chunk.first[item], chunk.first[item + 1] - chunk.first[item]};
}

// M_t [columns, chunk] and c_t [chunk] of the hidden units from `first`. t has zeros beyond its width.
__device__ inline void fold(const DinSizes& s, const DinLayer& layer, const float* t, int first, int lane, float* m,
                            float* c) {
  const int block = s.width * s.hidden;
  int i = 0, k = lane;
  for (int at = lane; at < s.columns * s.chunk; at += kWarp, k += kWarp) {
    while (k >= s.chunk) k -= s.chunk, ++i;
    float value = 0;
    if (i < s.width && first + k < s.hidden) {
      const float* a = layer.w1 + i * s.hidden + first + k;
      value = a[0] + a[2 * block] + t[i] * a[3 * block];
    }
    m[at] = value;
  }
  for (k = lane; k < s.chunk; k += kWarp) {
    float sum = 0;
    if (first + k < s.hidden) {
      sum = layer.b1[first + k];
      const float* b = layer.w1 + block + first + k;
      for (i = 0; i < s.width; ++i) sum += t[i] * (b[i * s.hidden] - b[block + i * s.hidden]);
    }
    c[k] = sum;
  }
}

// Pre-activations of units k to k + 3 (of the chunk). `e` holds the first tile, further ones are read as they come.
template <int kTile>
__device__ void pre_activations(const DinSizes& s, const float* position, int width, bool vector,
                                const float (&e)[kTile], const float* m, const float* c, int k, float (&h)[4]) {
  load(c + k, h);
  for (int first = 0; first < s.columns; first += kTile) {
    float further[kTile];
    if (first > 0) load_tile(position, first, width, vector, further);
#pragma unroll
    for (int i = 0; i < kTile; ++i) {
      const float value = first > 0 ? further[i] : e[i];
      float factors[4];
      load(m + (first + i) * s.chunk + k, factors);
      for (int n = 0; n < 4; ++n) h[n] += value * factors[n];
    }
  }
}

// Copies alpha or w2 to shared memory with zeros up to a multiple of 4; the block calls it together.
__device__ inline void copy_padded(const float* from, int count, int padded, float* to) {
  for (int k = static_cast<int>(threadIdx.x); k < padded; k += static_cast<int>(blockDim.x))
    to[k] = k < count ? from[k] : 0.0F;
}

// How a shape is run: how many columns a lane holds in registers, how many warps share a block.
struct DinPlan {
  DinSizes sizes;
  int tile, warps;
  std::size_t shared;  // bytes
};

// floats(sizes, warps): of a block's shared memory. Takes all hidden units and `most_warps` where three blocks fit a
// multiprocessor; fewer warps before fewer units.
template <typename Floats>
DinPlan din_plan(const char* kernel, const DinShape& shape, int most_warps, const Floats& floats) {
  DinPlan plan{};
  plan.tile = shape.width > 8 ? 16 : shape.width > 4 ? 8 : 4;
  plan.warps = most_warps;
  DinSizes& s = plan.sizes;
  s.length = static_cast<int>(shape.length);
  s.width = static_cast<int>(shape.width);
  s.hidden = static_cast<int>(shape.hidden);
  s.columns = static_cast<int>(ceil_div(shape.width, plan.tile)) * plan.tile;
  s.units = s.chunk = static_cast<int>(ceil_div(shape.hidden, 4)) * 4;
  const auto bytes = [&] { return floats(s, plan.warps) * std::int64_t{sizeof(float)}; };
  while (plan.warps > 1 && bytes() > kThreeBlocks) plan.warps /= 2;
  while (s.chunk > 4 && bytes() > kTwoBlocks) s.chunk = static_cast<int>(ceil_div(s.chunk / 4, 2)) * 4;
  if (bytes() > kMostShared)
    refuse(kernel, std::to_string(shape.length) + " positions of " + std::to_string(shape.width) +
                       " columns do not fit a block's shared memory; use a narrower embedding or a shorter sequence");
  plan.shared = static_cast<std::size_t>(bytes());
  return plan;
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

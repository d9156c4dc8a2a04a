// Multi-head attention with one query a row on the GPU: what forward (multi_head.cu) and backward
// (multi_head_backward.cu) share. A warp takes a row. As on the CPU, K is applied to the query and V after pooling,
//   (e_j K_h) · q_h = e_j · (K_h q_h) = e_j · u_h,     Σ_j p_j (e_j V_h + v_h) = (Σ_j p_j e_j) V_h + v_h
// so keys and values of the positions never exist. For scores a lane takes a position; for sums over positions and for
// products with K, V and W, which stay in the first-level cache, lanes stand on columns.
#pragma once

#include "kernels/cuda/positions.h"
#include "kernels/kernels.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

struct MultiHeadSizes {
  int length, width, heads, per_head;
  int columns;    // width, rounded up to whole tiles
  int positions;  // length, rounded up to a multiple of 4
  float scale;    // 1 / √per_head
};

inline MultiHeadSizes multi_head_sizes(const MultiHeadShape& shape, int tile) {
  MultiHeadSizes s{};
  s.length = static_cast<int>(shape.length);
  s.width = static_cast<int>(shape.width);
  s.heads = static_cast<int>(shape.heads);
  s.per_head = s.width / s.heads;
  s.columns = static_cast<int>(ceil_div(shape.width, tile)) * tile;
  s.positions = static_cast<int>(ceil_div(shape.length, 4)) * 4;
  s.scale = 1.0F / std::sqrt(static_cast<float>(s.per_head));
  return s;
}

// Columns of a position that a lane holds in registers at a time.
inline int multi_head_tile(const MultiHeadShape& shape) {
  return shape.width > 8 ? 16 : shape.width > 4 ? 8 : 4;
}

// out[h, i] = scale · Σ_c matrix[i, h per_head + c] · vector[h per_head + c], zeros beyond the width:
// u_h from K and the query, and the gradient of a pooled vector from V and that of o. [heads, columns]
__device__ inline void fold_heads(const MultiHeadSizes& s, const float* matrix, const float* vector, float scale,
                                  int lane, float* out) {
  for (int at = lane; at < s.heads * s.columns; at += kWarp) {
    const int i = at / s.heads, h = at % s.heads;  // so that neighbours read neighbours
    float sum = 0;
    if (i < s.width)
      for (int c = 0; c < s.per_head; ++c)
        sum += matrix[(i * s.heads + h) * s.per_head + c] * vector[h * s.per_head + c];
    out[h * s.columns + i] = scale * sum;
  }
}

// out[h, j] = e_j · vectors[h] of every head, written by the lane that has position j. [heads, positions]
template <int kTile>
__device__ void position_dots(const MultiHeadSizes& s, const float* sequence, int valid, bool vector,
                              const float* vectors, int lane, float* out) {
  for (int j = lane; j < valid; j += kWarp)
    for (int first = 0; first < s.columns; first += kTile) {
      float e[kTile];
      load_tile(sequence + j * s.width, first, s.width, vector, e);
      for (int h = 0; h < s.heads; ++h) {
        float sum = first == 0 ? 0.0F : out[h * s.positions + j];
#pragma unroll
        for (int i = 0; i < kTile; i += 4) {
          const float mine[4] = {e[i], e[i + 1], e[i + 2], e[i + 3]};
          float theirs[4];
          load(vectors + h * s.columns + first + i, theirs);
          sum += dot4(mine, theirs);
        }
        out[h * s.positions + j] = sum;
      }
    }
}

// out[h] = Σ_j weights[h, j] e_j. [heads, columns]; columns beyond the width are left as they are.
__device__ inline void pool_heads(const MultiHeadSizes& s, const float* sequence, int valid, const float* weights,
                                  const Walk& walk, float* out) {
  for (int h = 0; h < s.heads; ++h)
    for (int first = 0; first < s.width; first += walk.columns) {
      const int i = first + walk.column;
      const float sum = weighted_column(weights + h * s.positions, sequence, s.width, valid, walk, i);
      if (i < s.width && walk.part == 0) out[h * s.columns + i] = sum;
    }
}

// out[m] = bias[m] + scale · Σ_i heads[head of m, i] · matrix[i, m]; of one head [width] where `one` is set.
template <typename Store>
__device__ void times_columns(const MultiHeadSizes& s, const float* vectors, bool one, const float* matrix,
                              const Walk& walk, const Store& store_sum) {
  for (int first = 0; first < s.width; first += walk.columns) {
    const int m = first + walk.column, head = one || m >= s.width ? 0 : m / s.per_head;
    const float sum = weighted_column(vectors + head * s.columns, matrix, s.width, s.width, walk, m);
    if (m < s.width && walk.part == 0) store_sum(m, sum);
  }
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

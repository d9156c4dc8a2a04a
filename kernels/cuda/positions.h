// What the two kinds of attention share: how a warp reads the positions of a sample's sequence.
#pragma once

#include "kernels/cuda/sums.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

// [rows, columns] in shared memory that lanes read by rows, 16 bytes at a time: with an odd number of 16-byte words a
// row, eight neighbours never meet in a bank.
__device__ __host__ inline int odd_stride(int columns) {
  return columns % 8 == 0 ? columns + 4 : columns;
}

// Where a lane stands when a warp reads a [positions, width] matrix by rows: column, first position, and their steps.
struct Walk {
  int column, columns, part, parts;
};
__device__ inline Walk walk_of(int lane, int width) {
  int columns = 1;
  while (columns < width && columns < kWarp) columns *= 2;
  return {lane % columns, columns, lane / columns, kWarp / columns};
}

// Column `column` of Σ_j weights[j] · rows[j, :] over `count` rows of `width` columns, for every lane of the column.
// A weighted sum of positions, and just so a vector times a matrix. The warp calls it together, `column` beyond the
// width or not.
__device__ inline float weighted_column(const float* weights, const float* rows, int width, int count, const Walk& walk,
                                        int column) {
  float sum = 0;
  if (column < width)
    for (int j = walk.part; j < count; j += walk.parts) sum += weights[j] * rows[j * width + column];
  return parts_sum(sum, walk.columns);
}

// A vector of a row, zeros beyond its width; the warp calls it together.
__device__ inline void copy_row(const float* from, int width, int columns, int lane, float* to) {
  for (int i = lane; i < columns; i += kWarp) to[i] = i < width ? from[i] : 0.0F;
}

// Columns [first, first + kTile) of a position's vector, zeros beyond its width.
template <int kTile>
__device__ void load_tile(const float* position, int first, int width, bool vector, float (&values)[kTile]) {
  if (vector && first + kTile <= width) {
#pragma unroll
    for (int i = 0; i < kTile; i += 4) {
      float four[4];
      load(position + first + i, four);
      for (int n = 0; n < 4; ++n) values[i + n] = four[n];
    }
  } else {
#pragma unroll
    for (int i = 0; i < kTile; ++i) values[i] = first + i < width ? position[first + i] : 0.0F;
  }
}

__device__ inline float dot4(const float (&a)[4], const float (&b)[4]) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3];
}

// Over scores[valid] of shared memory, of which every lane has written its own.
__device__ inline void softmax(float* scores, int valid, int lane) {
  float top = -INFINITY, sum = 0;
  for (int j = lane; j < valid; j += kWarp) top = fmaxf(top, scores[j]);
  top = warp_max(top);
  for (int j = lane; j < valid; j += kWarp) sum += scores[j] = expf(scores[j] - top);
  sum = warp_sum(sum);
  for (int j = lane; j < valid; j += kWarp) scores[j] /= sum;
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

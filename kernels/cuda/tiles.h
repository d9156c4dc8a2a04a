// What products of our own share: tiles of matrices on their way into shared memory, and a warp's part of a product of
// two of them on tensor cores.
#pragma once

#include "kernels/cuda/sums.h"
#include "kernels/cuda/support/copy.h"
#include "kernels/cuda/support/mma.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

inline constexpr int kTileThreads = 256, kTileWarps = kTileThreads / kWarp;
inline constexpr int kDown = 16, kAcross = 8;  // of what one mma makes

__device__ __host__ inline int round_up(int n, int to) {
  return (n + to - 1) / to * to;
}

// Lanes 4 g + t of a warp read an operand at (g, t), or at (t, g): rows and columns, or the other way round. With four
// modulo eight floats from row to row neither (g, t) nor (2 t, g) meet in a bank; with eight modulo sixteen (t, g) do
// not.
__device__ __host__ inline int stride_for_rows(int columns) {
  return round_up(columns, 8) + 4;
}
__device__ __host__ inline int stride_for_columns(int columns) {
  return round_up(columns + 8, 16) - 8;
}

// Where a tile comes from: what lies beyond `rows` and `columns` is zero in shared memory.
struct Source {
  const float* from;
  std::int64_t ld, rows;
  int columns;
  bool vector;  // 16-byte access
};

// body(row, column) for the threads' shares of [down, across], in units of kUnit columns.
template <int kUnit, typename Body>
__device__ void for_each_unit(int down, int across, const Body& body) {
  const int lanes = lanes_for(across / kUnit), groups = kTileThreads / lanes;
  for (int r = static_cast<int>(threadIdx.x) / lanes; r < down; r += groups)
    for (int c = static_cast<int>(threadIdx.x) % lanes * kUnit; c < across; c += lanes * kUnit) body(r, c);
}

// The block calls it together. `across`: a multiple of 4.
__device__ inline void stage(Copies& copies, const Source& s, int down, int across, float* to, int stride) {
  const auto one = [&](int r, int c) {
    if (r < s.rows && c < s.columns)
      copies.one(to + r * stride + c, s.from + r * s.ld + c);
    else
      to[r * stride + c] = 0;
  };
  if (!s.vector) return for_each_unit<1>(down, across, one);
  for_each_unit<4>(down, across, [&](int r, int c) {
    if (r < s.rows && c + 4 <= s.columns) return copies.four(to + r * stride + c, s.from + r * s.ld + c);
    for (int i = 0; i < 4; ++i) one(r, c + i);
  });
}

// Zero where y, staged in the same way, is not above zero; each thread does it to what it has staged itself.
__device__ inline void close(float* dy, const float* y, int down, int across, int stride, bool vector) {
  const auto one = [&](int r, int c) {
    if (!(y[r * stride + c] > 0)) dy[r * stride + c] = 0;
  };
  if (!vector) return for_each_unit<1>(down, across, one);
  for_each_unit<4>(down, across, [&](int r, int c) {
    for (int i = 0; i < 4; ++i) one(r, c + i);
  });
}

// An operand in shared memory: (i, k) of the left one, (k, i) of the right one, is at[i · across + k · deep].
struct View {
  const float* at;
  int across, deep;
};

// sums += tiles of a product: kTall rows of tiles from a's first row on, columns of tiles `first` … first + kWide − 1;
// of those beyond `last` nothing of use. kPaired: the order of the inner dimension in which a lane takes neighbours.
template <Precision kPrecision, int kTall, int kWide, bool kPaired>
__device__ void multiply_tiles(float (&sums)[kTall][kWide][4], const View& a, const View& b, int first, int last,
                               int depth) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp, g = lane / 4, t = lane % 4;
  const int k = kPaired ? 2 * t : t, apart = kPaired ? 1 : 4;
  const float* left = a.at + g * a.across + k * a.deep;
  int right[kWide];
#pragma unroll
  for (int i = 0; i < kWide; ++i) right[i] = (min(first + i, last) * kAcross + g) * b.across + k * b.deep;
#pragma unroll(kPrecision == Precision::fp32 || kTall * kWide > 4 ? 1 : 2)
  for (int d = 0; d < depth; d += 8) {
    Operand<kPrecision, 4> mine[kTall];
#pragma unroll
    for (int m = 0; m < kTall; ++m)
#pragma unroll
      for (int i = 0; i < 4; ++i)
        mine[m].set(i, left[(m * kDown + i % 2 * 8) * a.across + (d + i / 2 * apart) * a.deep]);
#pragma unroll
    for (int i = 0; i < kWide; ++i) {
      Operand<kPrecision, 2> other;
      other.set(0, b.at[right[i] + d * b.deep]);
      other.set(1, b.at[right[i] + (d + apart) * b.deep]);
#pragma unroll
      for (int m = 0; m < kTall; ++m) multiply_add<kPrecision>(sums[m][i], mine[m], other);
    }
  }
}

// body(row, column, two neighbours in that row) for what multiply_tiles left to this lane, from its first row on and at
// columns below `columns` (the second neighbour may be beyond).
template <int kTall, int kWide, typename Body>
__device__ void for_each_pair(float (&sums)[kTall][kWide][4], int first, int columns, const Body& body) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
#pragma unroll
  for (int m = 0; m < kTall; ++m)
#pragma unroll
    for (int i = 0; i < kWide; ++i) {
      const int column = (first + i) * kAcross + lane % 4 * 2;
      if (column >= columns) continue;
      body(m * kDown + lane / 4, column, sums[m][i][0], sums[m][i][1]);
      body(m * kDown + lane / 4 + 8, column, sums[m][i][2], sums[m][i][3]);
    }
}

// use(i) for 0 … count − 1, each after bring(i, buffer) has staged what it needs into one of two buffers, finish(i,
// buffer) has changed the thread's own part of it, and the block has met. While one is used, the next comes.
template <typename Bring, typename Finish, typename Use>
__device__ void in_turns(Copies& copies, int count, const Bring& bring, const Finish& finish, const Use& use) {
  if (count > 0) {
    bring(0, 0);
    copies.commit();
  }
  for (int i = 0; i < count; ++i) {
    if (i + 1 < count) {
      bring(i + 1, (i + 1) % 2);
      copies.commit();
      copies.wait_but_last();
    } else {
      copies.wait();
    }
    finish(i, i % 2);
    __syncthreads();
    use(i, i % 2);
    __syncthreads();  // the buffer is free
  }
}

// Two neighbours, of which the second may be beyond `columns`.
__device__ inline void store_pair(float* to, bool pairs, bool both, float first, float second) {
  if (pairs && both) {
    *reinterpret_cast<float2*>(to) = make_float2(first, second);
    return;
  }
  to[0] = first;
  if (both) to[1] = second;
}

// Two neighbours of x w become those of act(x w + b). bias: theirs, or null.
__device__ inline void add_bias_and_activate(const float* bias, bool relu, bool both, float& first, float& second) {
  if (bias != nullptr) {
    first += bias[0];
    if (both) second += bias[1];
  }
  if (relu) {  // NaN stays
    first = first < 0 ? 0.0F : first;
    second = second < 0 ? 0.0F : second;
  }
}

// Whether two floats at an even column can be written at once.
inline bool pairs(const float* data, std::int64_t stride) {
  return reinterpret_cast<std::uintptr_t>(data) % sizeof(float2) == 0 && stride % 2 == 0;
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

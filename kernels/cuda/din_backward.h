// One sample of DIN's backward pass, by one warp (din.h says how). Hidden activations are recomputed, 32 positions at a
// time, and live in shared memory alone, as do the warp's sums of its samples' parameter gradients: the products Eᵀ dH
// are tiles of 4 × 4 in registers, one owner each.
#pragma once

#include "kernels/cuda/din.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE::din_backward_pass {

inline constexpr int kWarps = 4;  // of a block, at most

struct Backward {
  DinSizes sizes;
  DinLayer layer;
  const float *sequence, *target, *scores, *dout;
  const std::int32_t* lengths;
  float *dsequence, *dtarget, *partials;
  std::int64_t ldsequence, ldtarget, lddout, lddsequence, lddtarget, rows;
  int unit;  // the first hidden unit of this launch
  bool softmax, accumulate_sequence, accumulate_target;
};

// A warp's shared memory.
struct Memory {
  float *m, *c, *t, *dout;         // M_t [columns, chunk], c_t [chunk], t and dout [columns]
  float *e, *h;                    // 32 positions: vectors, then their gradients; pre-activations, then their gradients
  float *dscores, *dc, *dt;        // [32], [chunk], [chunk / 4, columns]: parts of dtarget
  float *m_sum, *tm_sum, *tc_sum;  // sums over samples of dM, diag(t) dM, t ⊗ dc: [columns, chunk]
  float *b1_sum, *alpha_sum, *w2_sum;
};

// Floats of a warp's shared memory before its sums, and all of them.
__device__ __host__ inline int scratch_floats(const DinSizes& s) {
  return s.columns * s.chunk + 2 * s.chunk + 2 * s.columns + kWarp * (odd_stride(s.columns) + odd_stride(s.chunk) + 1) +
         s.chunk / 4 * s.columns;
}
__device__ __host__ inline int backward_floats(const DinSizes& s) {
  return scratch_floats(s) + 3 * s.columns * s.chunk + 3 * s.chunk;
}

__device__ inline Memory memory_of(const DinSizes& s, float* at) {
  Memory w{};
  const auto take = [&](int floats) {
    float* taken = at;
    at += floats;
    return taken;
  };
  w.m = take(s.columns * s.chunk), w.c = take(s.chunk), w.t = take(s.columns), w.dout = take(s.columns);
  w.e = take(kWarp * odd_stride(s.columns)), w.h = take(kWarp * odd_stride(s.chunk));
  w.dscores = take(kWarp), w.dc = take(s.chunk), w.dt = take(s.chunk / 4 * s.columns);
  w.m_sum = take(s.columns * s.chunk), w.tm_sum = take(s.columns * s.chunk), w.tc_sum = take(s.columns * s.chunk);
  w.b1_sum = take(s.chunk), w.alpha_sum = take(s.chunk), w.w2_sum = take(s.chunk);
  return w;
}

// Σ_j score_j e_j · dout: what softmax takes from every position's gradient.
__device__ inline float mean_gradient(const DinSizes& s, const float* sequence, const float* scores, int valid,
                                      const Walk& walk, const float* dout) {
  float sum = 0;
  for (int i = walk.column; i < s.width; i += walk.columns)
    for (int j = walk.part; j < valid; j += walk.parts) sum += scores[j] * sequence[j * s.width + i] * dout[i];
  return warp_sum(sum);
}

// A lane's own position: the gradient of its raw score, and its pre-activations.
template <int kTile>
__device__ float position_forward(const Backward& p, const Memory& w, float score, float mean, int lane) {
  const DinSizes& s = p.sizes;
  const float* position = w.e + lane * odd_stride(s.columns);
  float dscore = 0, e[kTile];
  for (int i = 0; i < s.columns; i += 4) {
    float values[4], gradients[4];
    load(position + i, values);
    load(w.dout + i, gradients);
    dscore += dot4(values, gradients);
  }
  if (p.softmax) dscore = score * (dscore - mean);
  w.dscores[lane] = dscore;
  load_tile(position, 0, s.columns, true, e);
  for (int k = 0; k < s.chunk; k += 4) {
    float h[4];
    pre_activations(s, position, s.columns, true, e, w.m, w.c, k, h);
    store(w.h + lane * odd_stride(s.chunk) + k, h);
  }
  return dscore;
}

// Through w2 and PReLU, a lane a hidden unit: pre-activations become their gradients.
__device__ inline void hidden_gradients(const DinSizes& s, const Memory& w, const float* alpha, const float* w2,
                                        int count, int lane) {
  const int stride = odd_stride(s.chunk);
  for (int k = lane; k < s.chunk; k += kWarp) {
    float dc = 0, dw2 = 0, dalpha = 0;
    for (int j = 0; j < count; ++j) {
      const float h = w.h[j * stride + k], dscore = w.dscores[j];
      const bool positive = h > 0;
      const float slope = positive ? 1.0F : alpha[k], gradient = dscore * w2[k] * slope;
      dw2 += dscore * slope * h;
      dalpha += positive ? 0.0F : dscore * w2[k] * h;
      dc += gradient;
      w.h[j * stride + k] = gradient;
    }
    w.dc[k] += dc;
    w.b1_sum[k] += dc;
    w.w2_sum[k] += dw2;
    w.alpha_sum[k] += dalpha;
  }
}

// The [4, 4] tile of four hidden units and four columns: row i of `tile` is what a column adds to `sums`, and
// `factor(i, n)` what it is multiplied with for dtarget.
template <typename Factor>
__device__ void add_to_target(const float (&tile)[4][4], const Factor& factor, float* dt) {
  float sum[4];
  load(dt, sum);
  for (int i = 0; i < 4; ++i)
    for (int n = 0; n < 4; ++n) sum[i] += tile[i][n] * factor(i, n);
  store(dt, sum);
}

__device__ inline void add_tile(const float (&tile)[4][4], float* sums, int stride) {
  for (int i = 0; i < 4; ++i) {
    float sum[4];
    load(sums + i * stride, sum);
    for (int n = 0; n < 4; ++n) sum[n] += tile[i][n];
    store(sums + i * stride, sum);
  }
}

// w1's number in `block` (0 to 3), row i, unit k of the chunk; 0 beyond either end.
__device__ inline float weight_of(const Backward& p, int block, int i, int k) {
  const DinSizes& s = p.sizes;
  if (i >= s.width || p.unit + k >= s.hidden) return 0;
  return p.layer.w1[(block * s.width + i) * s.hidden + p.unit + k];
}

// dM = Eᵀ dH of 32 positions, into the sums and into dtarget.
__device__ inline void matrix_gradients(const Backward& p, const Memory& w, int count, int lane) {
  const DinSizes& s = p.sizes;
  const int across = s.chunk / 4, e_stride = odd_stride(s.columns), h_stride = odd_stride(s.chunk);
  for (int at = lane; at < across * (s.columns / 4); at += kWarp) {
    const int i = at / across * 4, k = at % across * 4;
    float tile[4][4] = {};
    for (int j = 0; j < count; ++j) {
      float e[4], h[4];
      load(w.e + j * e_stride + i, e);
      load(w.h + j * h_stride + k, h);
#pragma unroll
      for (int a = 0; a < 4; ++a)
#pragma unroll
        for (int b = 0; b < 4; ++b) tile[a][b] += e[a] * h[b];
    }
    add_tile(tile, w.m_sum + i * s.chunk + k, s.chunk);
    if (p.dtarget != nullptr)
      add_to_target(
          tile, [&](int a, int b) { return weight_of(p, 3, i + a, k + b); }, w.dt + k / 4 * s.columns + i);
    for (int a = 0; a < 4; ++a)
      for (int b = 0; b < 4; ++b) tile[a][b] *= w.t[i + a];
    add_tile(tile, w.tm_sum + i * s.chunk + k, s.chunk);
  }
}

// From a sample's dc: t ⊗ dc, and dtarget's share of it.
__device__ inline void vector_gradients(const Backward& p, const Memory& w, int lane) {
  const DinSizes& s = p.sizes;
  const int across = s.chunk / 4;
  for (int at = lane; at < across * (s.columns / 4); at += kWarp) {
    const int i = at / across * 4, k = at % across * 4;
    float dc[4], tile[4][4];
    load(w.dc + k, dc);
    for (int a = 0; a < 4; ++a)
      for (int b = 0; b < 4; ++b) tile[a][b] = dc[b];
    if (p.dtarget != nullptr)
      add_to_target(
          tile, [&](int a, int b) { return weight_of(p, 1, i + a, k + b) - weight_of(p, 2, i + a, k + b); },
          w.dt + k / 4 * s.columns + i);
    for (int a = 0; a < 4; ++a)
      for (int b = 0; b < 4; ++b) tile[a][b] *= w.t[i + a];
    add_tile(tile, w.tc_sum + i * s.chunk + k, s.chunk);
  }
}

// dH M_tᵀ + score · dout in place of a lane's own position.
template <int kTile>
__device__ void position_backward(const Backward& p, const Memory& w, float score, int lane) {
  const DinSizes& s = p.sizes;
  const float* h = w.h + lane * odd_stride(s.chunk);
  float* position = w.e + lane * odd_stride(s.columns);
  for (int first = 0; first < s.columns; first += kTile) {
    float de[kTile];
#pragma unroll
    for (int i = 0; i < kTile; ++i) de[i] = p.unit == 0 ? score * w.dout[first + i] : 0.0F;
    for (int k = 0; k < s.chunk; k += 4) {
      float gradients[4];
      load(h + k, gradients);
#pragma unroll
      for (int i = 0; i < kTile; ++i) {
        float factors[4];
        load(w.m + (first + i) * s.chunk + k, factors);
        de[i] += dot4(gradients, factors);
      }
    }
#pragma unroll
    for (int i = 0; i < kTile; ++i) position[first + i] = de[i];
  }
}

// One sample. Returns the lane's share of b2's gradient.
template <int kTile>
__device__ float sample_backward(const Backward& p, const Memory& w, const float* alpha, const float* w2,
                                 std::int64_t row, int valid, const Walk& walk, int lane) {
  const DinSizes& s = p.sizes;
  const float *sequence = p.sequence + row * p.ldsequence, *scores = p.scores + row * s.length;
  float *dsequence = p.dsequence + row * p.lddsequence, b2 = 0;
  copy_row(p.target + row * p.ldtarget, s.width, s.columns, lane, w.t);
  copy_row(p.dout + row * p.lddout, s.width, s.columns, lane, w.dout);
  for (int k = lane; k < s.chunk; k += kWarp) w.dc[k] = 0;
  for (int i = lane; i < s.chunk / 4 * s.columns; i += kWarp) w.dt[i] = 0;
  __syncwarp();
  fold(s, p.layer, w.t, p.unit, lane, w.m, w.c);
  const float mean = p.softmax ? mean_gradient(s, sequence, scores, valid, walk, w.dout) : 0.0F;
  for (int base = 0; base < valid; base += kWarp) {
    const int count = valid - base < kWarp ? valid - base : kWarp, stride = odd_stride(s.columns);
    __syncwarp();  // M_t is written; the positions before are read
    for (int i = walk.column; i < s.columns; i += walk.columns)
      for (int j = walk.part; j < count; j += walk.parts)
        w.e[j * stride + i] = i < s.width ? sequence[(base + j) * s.width + i] : 0.0F;
    __syncwarp();
    const float score = lane < count ? scores[base + lane] : 0.0F;
    if (lane < count) b2 += position_forward<kTile>(p, w, score, mean, lane);
    __syncwarp();
    hidden_gradients(s, w, alpha, w2, count, lane);
    __syncwarp();
    matrix_gradients(p, w, count, lane);
    __syncwarp();
    if (lane < count) position_backward<kTile>(p, w, score, lane);
    __syncwarp();
    for (int i = walk.column; i < s.width; i += walk.columns)
      for (int j = walk.part; j < count; j += walk.parts) {
        float& out = dsequence[(base + j) * s.width + i];
        out = (p.accumulate_sequence ? out : 0.0F) + w.e[j * stride + i];
      }
  }
  vector_gradients(p, w, lane);
  __syncwarp();
  if (p.dtarget == nullptr) return b2;
  for (int i = lane; i < s.width; i += kWarp) {
    float& out = p.dtarget[row * p.lddtarget + i];
    float sum = p.accumulate_target ? out : 0.0F;
    for (int k = 0; k < s.chunk / 4; ++k) sum += w.dt[k * s.columns + i];
    out = sum;
  }
  return b2;
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE::din_backward_pass

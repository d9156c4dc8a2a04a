// The same with AVX2 and FMA. Functions with a target attribute: they are there whatever the compiler was told.
#pragma once

#include "model/inference/source/kernels.h"

namespace mal::infer::detail {

#if MAL_INFER_X86 && !defined(MAL_INFER_PORTABLE)

#define MAL_INFER_AVX2 __attribute__((target("avx2,fma"))) inline
#if defined(__clang__)
#define MAL_INFER_UNROLL _Pragma("unroll")
#else
#define MAL_INFER_UNROLL _Pragma("GCC unroll 8")
#endif

namespace avx2 {

MAL_INFER_AVX2 void store(const Product& p, std::size_t row, std::size_t column, __m256 low, __m256 high) {
  if (p.outputs - column >= kLanes && p.activation != Activation::swish) {
    if (p.add != nullptr) {
      const float* add = p.add + row * p.ldadd + column;
      low = _mm256_add_ps(low, _mm256_loadu_ps(add));
      high = _mm256_add_ps(high, _mm256_loadu_ps(add + 8));
    }
    if (p.activation == Activation::relu) {
      low = _mm256_max_ps(_mm256_setzero_ps(), low);  // the second of the two, where one is NaN
      high = _mm256_max_ps(_mm256_setzero_ps(), high);
    }
    _mm256_storeu_ps(p.y + row * p.ldy + column, low);
    _mm256_storeu_ps(p.y + row * p.ldy + column + 8, high);
    return;
  }
  alignas(32) float sums[kLanes];
  _mm256_store_ps(sums, low);
  _mm256_store_ps(sums + 8, high);
  portable::finish(p, row, column, sums);
}

// 16 weights of one input, as floats.
MAL_INFER_AVX2 void load(const float* w, __m256& low, __m256& high) {
  low = _mm256_loadu_ps(w);
  high = _mm256_loadu_ps(w + 8);
}
MAL_INFER_AVX2 void load(const std::uint16_t* w, __m256& low, __m256& high) {
  __m256i pairs = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w));
  __asm__("" : "+x"(pairs));  // else compilers read memory twice, and reading is what one ad waits for
  low = _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16));
  high = _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32(-0x10000)));
}

// One step of K: R rows by 16 outputs.
template <int R, typename W>
MAL_INFER_AVX2 void step(const float* x, std::size_t ldx, const W* w, __m256* low, __m256* high) {
  __m256 first, second;
  load(w, first, second);
  MAL_INFER_UNROLL
  for (int r = 0; r < R; ++r) {
    const __m256 value = _mm256_broadcast_ss(x + static_cast<std::size_t>(r) * ldx);
    low[r] = _mm256_fmadd_ps(value, first, low[r]);
    high[r] = _mm256_fmadd_ps(value, second, high[r]);
  }
}

// R rows by 16 outputs, U steps of K at once, each with accumulators of its own: with few rows, that hides the latency
// of the additions. 2 R U accumulators, at most 12 of the 16 registers.
template <int R, int U, typename W>
MAL_INFER_AVX2 void block(const Product& p, const W* panels, std::size_t row, std::size_t column) {
  const W* panel = panels + column * p.inputs;
  __m256 low[U][R], high[U][R];
  MAL_INFER_UNROLL
  for (int r = 0; r < R; ++r) {
    MAL_INFER_UNROLL
    for (int u = 0; u < U; ++u) low[u][r] = high[u][r] = _mm256_setzero_ps();
    if (p.bias != nullptr) load(p.bias + column, low[0][r], high[0][r]);
  }
  if (p.extra != nullptr)
    for (std::size_t e = 0; e < 2; ++e)
      step<R>(p.coefficients + 2 * row + e, 2, p.extra + e * p.ldextra + column, low[0], high[0]);
  for (std::size_t s = 0; s < p.segment_count; ++s) {
    const float* x = p.x + row * p.ldx + p.segments[s].first;
    const W* w = panel + p.segments[s].first * kLanes;
    std::size_t left = p.segments[s].count;
    for (; left >= U; left -= U, x += U, w += U * kLanes) {
      MAL_INFER_UNROLL
      for (int u = 0; u < U; ++u) step<R>(x + u, p.ldx, w + static_cast<std::size_t>(u) * kLanes, low[u], high[u]);
    }
    for (; left > 0; --left, ++x, w += kLanes) step<R>(x, p.ldx, w, low[0], high[0]);
  }
  MAL_INFER_UNROLL
  for (int r = 0; r < R; ++r) {
    MAL_INFER_UNROLL
    for (int u = 1; u < U; ++u) {
      low[0][r] = _mm256_add_ps(low[0][r], low[u][r]);
      high[0][r] = _mm256_add_ps(high[0][r], high[u][r]);
    }
    store(p, row + static_cast<std::size_t>(r), column, low[0][r], high[0][r]);
  }
}

// One row by two panels: they share the row's values, so that fewer loads go beside those of the weights.
template <int U, typename W>
MAL_INFER_AVX2 void pair(const Product& p, const W* panels, std::size_t row, std::size_t column) {
  const W* panel = panels + column * p.inputs;
  const std::size_t next = p.inputs * kLanes;
  __m256 low[U][2], high[U][2];
  MAL_INFER_UNROLL
  for (int i = 0; i < 2; ++i) {
    MAL_INFER_UNROLL
    for (int u = 0; u < U; ++u) low[u][i] = high[u][i] = _mm256_setzero_ps();
    if (p.bias != nullptr) load(p.bias + column + static_cast<std::size_t>(i) * kLanes, low[0][i], high[0][i]);
  }
  if (p.extra != nullptr)
    for (std::size_t e = 0; e < 2; ++e) {
      const float *value = p.coefficients + 2 * row + e, *w = p.extra + e * p.ldextra + column;
      step<1>(value, 0, w, &low[0][0], &high[0][0]);
      step<1>(value, 0, w + kLanes, &low[0][1], &high[0][1]);
    }
  for (std::size_t s = 0; s < p.segment_count; ++s) {
    const float* x = p.x + row * p.ldx + p.segments[s].first;
    const W* w = panel + p.segments[s].first * kLanes;
    std::size_t left = p.segments[s].count;
    for (; left >= U; left -= U, x += U, w += U * kLanes) {
      MAL_INFER_UNROLL
      for (int u = 0; u < U; ++u) {
        step<1>(x + u, 0, w + static_cast<std::size_t>(u) * kLanes, &low[u][0], &high[u][0]);
        step<1>(x + u, 0, w + next + static_cast<std::size_t>(u) * kLanes, &low[u][1], &high[u][1]);
      }
    }
    for (; left > 0; --left, ++x, w += kLanes) {
      step<1>(x, 0, w, &low[0][0], &high[0][0]);
      step<1>(x, 0, w + next, &low[0][1], &high[0][1]);
    }
  }
  MAL_INFER_UNROLL
  for (int i = 0; i < 2; ++i) {
    MAL_INFER_UNROLL
    for (int u = 1; u < U; ++u) {
      low[0][i] = _mm256_add_ps(low[0][i], low[u][i]);
      high[0][i] = _mm256_add_ps(high[0][i], high[u][i]);
    }
    store(p, row, column + static_cast<std::size_t>(i) * kLanes, low[0][i], high[0][i]);
  }
}

template <typename W>
MAL_INFER_AVX2 void product_of(const Product& p, const W* panels) {
  std::size_t column = 0;
  if (p.rows == 1 && sizeof(W) < sizeof(float))  // fp32 weights come in no faster so
    for (; column + kLanes < p.outputs; column += 2 * kLanes) pair<3>(p, panels, 0, column);
  for (; column < p.outputs; column += kLanes) {
    std::size_t row = 0;
    for (; row + 6 <= p.rows; row += 6) block<6, 1>(p, panels, row, column);
    switch (p.rows - row) {
      case 5:
        block<5, 1>(p, panels, row, column);
        break;
      case 4:
        block<4, 1>(p, panels, row, column);
        break;
      case 3:
        block<3, 2>(p, panels, row, column);
        break;
      case 2:
        block<2, 3>(p, panels, row, column);
        break;
      case 1:
        block<1, 6>(p, panels, row, column);
        break;
      default:
        break;
    }
  }
}

MAL_INFER_AVX2 void product(const Product& p) {
  if (p.halves != nullptr)
    product_of(p, p.halves);
  else
    product_of(p, p.panels);
}

MAL_INFER_AVX2 float total(__m256 x) {
  const __m128 half = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 pair = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(pair, _mm_movehdup_ps(pair)));
}

MAL_INFER_AVX2 float sum(const float* x, std::size_t n) {
  __m256 sums[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    sums[0] = _mm256_add_ps(sums[0], _mm256_loadu_ps(x + i));
    sums[1] = _mm256_add_ps(sums[1], _mm256_loadu_ps(x + i + 8));
  }
  return total(_mm256_add_ps(sums[0], sums[1])) + portable::sum(x + i, n - i);
}

MAL_INFER_AVX2 float squares(const float* x, std::size_t n, float mean) {
  const __m256 center = _mm256_set1_ps(mean);
  __m256 sums[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const __m256 a = _mm256_sub_ps(_mm256_loadu_ps(x + i), center);
    const __m256 b = _mm256_sub_ps(_mm256_loadu_ps(x + i + 8), center);
    sums[0] = _mm256_fmadd_ps(a, a, sums[0]);
    sums[1] = _mm256_fmadd_ps(b, b, sums[1]);
  }
  return total(_mm256_add_ps(sums[0], sums[1])) + portable::squares(x + i, n - i, mean);
}

MAL_INFER_AVX2 void normalise(float* x, std::size_t n, float mean, float scale, const float* gamma) {
  const __m256 center = _mm256_set1_ps(mean), factor = _mm256_set1_ps(scale);
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8)
    _mm256_storeu_ps(x + i, _mm256_mul_ps(_mm256_mul_ps(_mm256_sub_ps(_mm256_loadu_ps(x + i), center), factor),
                                          _mm256_loadu_ps(gamma + i)));
  portable::normalise(x + i, n - i, mean, scale, gamma + i);
}

MAL_INFER_AVX2 void fold(const DinWeights& w, const float* target, float* m, float* c) {
  const std::size_t h = w.padded_hidden;
  std::copy(w.b1.begin(), w.b1.end(), c);
  for (std::size_t i = 0; i < w.width; ++i) {
    const __m256 t = _mm256_broadcast_ss(target + i);
    for (std::size_t k = 0; k < h; k += 8) {
      const std::size_t at = i * h + k;
      const __m256 d = _mm256_loadu_ps(w.d.data() + at), a = _mm256_loadu_ps(w.a.data() + at);
      _mm256_storeu_ps(m + at, _mm256_fmadd_ps(t, d, a));
      _mm256_storeu_ps(c + k, _mm256_fmadd_ps(t, _mm256_loadu_ps(w.c.data() + at), _mm256_loadu_ps(c + k)));
    }
  }
}

// Adds to the scores of P positions what V vectors of hidden units, from `first` on, give.
template <int P, int V>
MAL_INFER_AVX2 void score(const DinWeights& w, const float* m, const float* c, const float* e, std::size_t first,
                          float* scores) {
  __m256 h[P][V];
  MAL_INFER_UNROLL
  for (int v = 0; v < V; ++v) {
    const __m256 start = _mm256_loadu_ps(c + first + static_cast<std::size_t>(8 * v));
    MAL_INFER_UNROLL
    for (int p = 0; p < P; ++p) h[p][v] = start;
  }
  const float* at = m + first;
  for (std::size_t i = 0; i < w.width; ++i, at += w.padded_hidden) {
    __m256 x[P];
    MAL_INFER_UNROLL
    for (int p = 0; p < P; ++p) x[p] = _mm256_broadcast_ss(e + static_cast<std::size_t>(p) * w.width + i);
    MAL_INFER_UNROLL
    for (int v = 0; v < V; ++v) {
      const __m256 weight = _mm256_loadu_ps(at + 8 * v);
      MAL_INFER_UNROLL
      for (int p = 0; p < P; ++p) h[p][v] = _mm256_fmadd_ps(x[p], weight, h[p][v]);
    }
  }
  MAL_INFER_UNROLL
  for (int p = 0; p < P; ++p) {
    __m256 sum = _mm256_setzero_ps();
    MAL_INFER_UNROLL
    for (int v = 0; v < V; ++v) {
      const std::size_t k = first + static_cast<std::size_t>(8 * v);
      const __m256 negative = _mm256_mul_ps(h[p][v], _mm256_loadu_ps(w.alpha.data() + k));
      const __m256 positive = _mm256_cmp_ps(h[p][v], _mm256_setzero_ps(), _CMP_GT_OQ);
      sum = _mm256_fmadd_ps(_mm256_blendv_ps(negative, h[p][v], positive), _mm256_loadu_ps(w.w2.data() + k), sum);
    }
    scores[p] += total(sum);
  }
}

template <int V>
MAL_INFER_AVX2 void score_all(const DinWeights& w, const float* m, const float* c, const float* e, std::size_t valid,
                              std::size_t first, float* scores) {
  std::size_t j = 0;
  for (; j + 2 <= valid; j += 2) score<2, V>(w, m, c, e + j * w.width, first, scores + j);
  if (j < valid) score<1, V>(w, m, c, e + j * w.width, first, scores + j);
}

MAL_INFER_AVX2 void pool(const float* sequence, const float* scores, std::size_t valid, std::size_t width, float* out) {
  std::size_t i = 0;
  for (; i + 8 <= width; i += 8) {
    __m256 sum = _mm256_setzero_ps();
    for (std::size_t j = 0; j < valid; ++j)
      sum = _mm256_fmadd_ps(_mm256_broadcast_ss(scores + j), _mm256_loadu_ps(sequence + j * width + i), sum);
    _mm256_storeu_ps(out + i, sum);
  }
  for (; i < width; ++i) {
    out[i] = 0;
    for (std::size_t j = 0; j < valid; ++j) out[i] += scores[j] * sequence[j * width + i];
  }
}

MAL_INFER_AVX2 void din(const DinWeights& w, const float* sequence, std::size_t valid, const float* target, float* out,
                        float* scratch) {
  const std::size_t h = w.padded_hidden;
  float *m = scratch, *c = m + w.width * h, *scores = c + 2 * h;
  fold(w, target, m, c);
  std::fill_n(scores, valid, w.b2);
  std::size_t first = 0;
  for (; first + 40 <= h; first += 40) score_all<5>(w, m, c, sequence, valid, first, scores);
  for (; first + 16 <= h; first += 16) score_all<2>(w, m, c, sequence, valid, first, scores);
  for (; first < h; first += 8) score_all<1>(w, m, c, sequence, valid, first, scores);
  if (w.softmax) softmax(scores, valid);
  pool(sequence, scores, valid, w.width, out);
}

}  // namespace avx2
#endif

}  // namespace mal::infer::detail

// The arithmetic. Weights lie in panels of 16 outputs, [outputs / 16][inputs][16], padded with zeros: a panel is read
// from front to back, and stays in the first-level cache while all rows of a tile pass through it.
// Each kernel exists in plain C++ and, on x86, with AVX2 and FMA; kernels() picks once, by asking the processor.
#pragma once

#include "model/inference/source/result.h"

namespace mal::infer::detail {

inline constexpr std::size_t kLanes = 16;

inline std::size_t padded(std::size_t n, std::size_t unit = kLanes) {
  return (n + unit - 1) / unit * unit;
}

enum class Activation { none, relu, swish };

// A range of columns of x, that is of rows of the weights.
struct Segment {
  std::size_t first, count;
};

// y = act(bias + Σ over segments of x W + c₀ e₀ + c₁ e₁ + add). e: two rows of a request, c: two numbers a row of x.
struct Product {
  const float* x = nullptr;
  std::size_t ldx = 0, inputs = 0;
  const float* panels = nullptr;
  const float* bias = nullptr;  // padded
  const Segment* segments = nullptr;
  std::size_t segment_count = 0;
  const float* extra = nullptr;         // [panels][2][16], or null
  const float* coefficients = nullptr;  // [rows][2]
  const float* add = nullptr;           // or null
  std::size_t ldadd = 0;
  float* y = nullptr;
  std::size_t ldy = 0, rows = 0, outputs = 0;
  Activation activation = Activation::none;
};

// DIN with its first layer folded for one target t:  h_j = e_j (A + diag(t) D) + b1 + t C,  A = Wa + Wc, C = Wb − Wc.
struct DinWeights {
  std::size_t width = 0, hidden = 0, padded_hidden = 0;  // hidden is padded to 8 lanes
  bool softmax = false;
  std::vector<float> a, c, d;        // [width, padded_hidden]
  std::vector<float> b1, alpha, w2;  // [padded_hidden]
  float b2 = 0;
};

inline void softmax(float* values, std::size_t n) {
  if (n == 0) return;
  const float top = *std::max_element(values, values + n);
  float sum = 0;
  for (std::size_t j = 0; j < n; ++j) sum += values[j] = std::exp(values[j] - top);
  for (std::size_t j = 0; j < n; ++j) values[j] /= sum;
}

inline float activated(float value, Activation activation) {
  if (activation == Activation::relu) return value > 0 ? value : 0.0F;
  if (activation == Activation::swish) return value / (1.0F + std::exp(-value));
  return value;
}

namespace portable {

inline void finish(const Product& p, std::size_t row, std::size_t column, float* sums) {
  const std::size_t n = std::min(kLanes, p.outputs - column);
  float* y = p.y + row * p.ldy + column;
  if (p.add != nullptr)
    for (std::size_t i = 0; i < n; ++i) sums[i] += p.add[row * p.ldadd + column + i];
  for (std::size_t i = 0; i < n; ++i) y[i] = activated(sums[i], p.activation);
}

inline void product(const Product& p) {
  for (std::size_t column = 0; column < p.outputs; column += kLanes) {
    const float* panel = p.panels + column * p.inputs;
    for (std::size_t r = 0; r < p.rows; ++r) {
      float sums[kLanes];
      for (std::size_t i = 0; i < kLanes; ++i) sums[i] = p.bias[column + i];
      if (p.extra != nullptr)
        for (std::size_t i = 0; i < kLanes; ++i)
          sums[i] += p.coefficients[2 * r] * p.extra[2 * column + i] +
                     p.coefficients[2 * r + 1] * p.extra[2 * column + kLanes + i];
      for (std::size_t s = 0; s < p.segment_count; ++s) {
        const float* x = p.x + r * p.ldx + p.segments[s].first;
        const float* w = panel + p.segments[s].first * kLanes;
        for (std::size_t k = 0; k < p.segments[s].count; ++k, w += kLanes)
          for (std::size_t i = 0; i < kLanes; ++i) sums[i] += x[k] * w[i];
      }
      finish(p, r, column, sums);
    }
  }
}

inline float sum(const float* x, std::size_t n) {
  float total = 0;
  for (std::size_t i = 0; i < n; ++i) total += x[i];
  return total;
}

inline float squares(const float* x, std::size_t n, float mean) {
  float total = 0;
  for (std::size_t i = 0; i < n; ++i) total += (x[i] - mean) * (x[i] - mean);
  return total;
}

inline void normalise(float* x, std::size_t n, float mean, float scale) {
  for (std::size_t i = 0; i < n; ++i) x[i] = (x[i] - mean) * scale;
}

inline void fold(const DinWeights& w, const float* target, float* m, float* c) {
  const std::size_t h = w.padded_hidden;
  std::copy(w.b1.begin(), w.b1.end(), c);
  for (std::size_t i = 0; i < w.width; ++i)
    for (std::size_t k = 0; k < h; ++k) {
      m[i * h + k] = w.a[i * h + k] + target[i] * w.d[i * h + k];
      c[k] += target[i] * w.c[i * h + k];
    }
}

inline void pool(const float* sequence, const float* scores, std::size_t valid, std::size_t width, float* out) {
  std::fill_n(out, width, 0.0F);
  for (std::size_t j = 0; j < valid; ++j)
    for (std::size_t i = 0; i < width; ++i) out[i] += scores[j] * sequence[j * width + i];
}

// scratch: (width + 2) · padded_hidden + valid floats.
inline void din(const DinWeights& w, const float* sequence, std::size_t valid, const float* target, float* out,
                float* scratch) {
  const std::size_t h = w.padded_hidden;
  float *m = scratch, *c = m + w.width * h, *hidden = c + h, *scores = hidden + h;
  fold(w, target, m, c);
  for (std::size_t j = 0; j < valid; ++j) {
    std::copy_n(c, h, hidden);
    for (std::size_t i = 0; i < w.width; ++i)
      for (std::size_t k = 0; k < h; ++k) hidden[k] += sequence[j * w.width + i] * m[i * h + k];
    float score = 0;
    for (std::size_t k = 0; k < h; ++k) score += w.w2[k] * (hidden[k] > 0 ? hidden[k] : w.alpha[k] * hidden[k]);
    scores[j] = score + w.b2;
  }
  if (w.softmax) softmax(scores, valid);
  pool(sequence, scores, valid, w.width, out);
}

}  // namespace portable

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
      low = _mm256_max_ps(low, _mm256_setzero_ps());
      high = _mm256_max_ps(high, _mm256_setzero_ps());
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

// One step of K: R rows by 16 outputs.
template <int R>
MAL_INFER_AVX2 void step(const float* x, std::size_t ldx, const float* w, __m256* low, __m256* high) {
  const __m256 first = _mm256_loadu_ps(w), second = _mm256_loadu_ps(w + 8);
  MAL_INFER_UNROLL
  for (int r = 0; r < R; ++r) {
    const __m256 value = _mm256_broadcast_ss(x + static_cast<std::size_t>(r) * ldx);
    low[r] = _mm256_fmadd_ps(value, first, low[r]);
    high[r] = _mm256_fmadd_ps(value, second, high[r]);
  }
}

// R rows by 16 outputs, U steps of K at once, each with accumulators of its own: with few rows, that hides the latency
// of the additions. 2 R U accumulators, at most 12 of the 16 registers.
template <int R, int U>
MAL_INFER_AVX2 void block(const Product& p, std::size_t row, std::size_t column) {
  const float* panel = p.panels + column * p.inputs;
  __m256 low[U][R], high[U][R];
  MAL_INFER_UNROLL
  for (int r = 0; r < R; ++r) {
    low[0][r] = _mm256_loadu_ps(p.bias + column);
    high[0][r] = _mm256_loadu_ps(p.bias + column + 8);
    MAL_INFER_UNROLL
    for (int u = 1; u < U; ++u) low[u][r] = high[u][r] = _mm256_setzero_ps();
  }
  if (p.extra != nullptr)
    for (std::size_t e = 0; e < 2; ++e)
      step<R>(p.coefficients + 2 * row + e, 2, p.extra + 2 * column + kLanes * e, low[0], high[0]);
  for (std::size_t s = 0; s < p.segment_count; ++s) {
    const float* x = p.x + row * p.ldx + p.segments[s].first;
    const float* w = panel + p.segments[s].first * kLanes;
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

MAL_INFER_AVX2 void product(const Product& p) {
  for (std::size_t column = 0; column < p.outputs; column += kLanes) {
    std::size_t row = 0;
    for (; row + 6 <= p.rows; row += 6) block<6, 1>(p, row, column);
    switch (p.rows - row) {
      case 5:
        block<5, 1>(p, row, column);
        break;
      case 4:
        block<4, 1>(p, row, column);
        break;
      case 3:
        block<3, 2>(p, row, column);
        break;
      case 2:
        block<2, 3>(p, row, column);
        break;
      case 1:
        block<1, 6>(p, row, column);
        break;
      default:
        break;
    }
  }
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

MAL_INFER_AVX2 void normalise(float* x, std::size_t n, float mean, float scale) {
  const __m256 center = _mm256_set1_ps(mean), factor = _mm256_set1_ps(scale);
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8)
    _mm256_storeu_ps(x + i, _mm256_mul_ps(_mm256_sub_ps(_mm256_loadu_ps(x + i), center), factor));
  portable::normalise(x + i, n - i, mean, scale);
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

struct Kernels {
  const char* name;
  void (*product)(const Product&);
  float (*sum)(const float*, std::size_t);
  float (*squares)(const float*, std::size_t, float);
  void (*normalise)(float*, std::size_t, float, float);
  void (*din)(const DinWeights&, const float*, std::size_t, const float*, float*, float*);
};

inline constexpr Kernels kPortable = {"portable",        portable::product,   portable::sum,
                                      portable::squares, portable::normalise, portable::din};
#if MAL_INFER_X86 && !defined(MAL_INFER_PORTABLE)
inline constexpr Kernels kAvx2 = {"avx2", avx2::product, avx2::sum, avx2::squares, avx2::normalise, avx2::din};
#endif

inline const Kernels& kernels() {
#if MAL_INFER_X86 && !defined(MAL_INFER_PORTABLE)
  if (__builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0) return kAvx2;
#endif
  return kPortable;
}

}  // namespace mal::infer::detail

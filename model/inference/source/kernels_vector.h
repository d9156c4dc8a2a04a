// The kernels with vectors: AVX2 and FMA, or NEON.
#pragma once

#include "model/inference/source/vector.h"

#if MAL_INFER_VECTOR
#if defined(__clang__)
#define MAL_INFER_UNROLL _Pragma("unroll")
#else
#define MAL_INFER_UNROLL _Pragma("GCC unroll 8")
#endif

namespace mal::infer::detail::vectored {

// In place: around a call all sums of a strip would go to memory and back.
__attribute__((always_inline)) MAL_INFER_VECTORED void finish(const Product& p, std::size_t row, std::size_t column,
                                                              Eight low, Eight high) {
  if (p.outputs - column >= kLanes && p.activation != Activation::swish) {
    if (p.add != nullptr) {
      const float* other = p.add + row * p.ldadd + column;
      low = add(low, load(other));
      high = add(high, load(other + 8));
    }
    if (p.activation == Activation::relu) {
      low = relu(low);
      high = relu(high);
    }
    store(p.y + row * p.ldy + column, low);
    store(p.y + row * p.ldy + column + 8, high);
    return;
  }
  alignas(32) float sums[kLanes];
  store(sums, low);
  store(sums + 8, high);
  portable::finish(p, row, column, sums);
}

// One step of K: R rows by 16 outputs.
template <int R, typename W>
MAL_INFER_VECTORED void step(const float* x, std::size_t ldx, const W* w, Eight* low, Eight* high) {
  Eight first, second;
  load_weights(w, first, second);
  MAL_INFER_UNROLL
  for (int r = 0; r < R; ++r) {
    const Eight value = spread(x + static_cast<std::size_t>(r) * ldx);
    low[r] = fused(value, first, low[r]);
    high[r] = fused(value, second, high[r]);
  }
}

// R rows by 16 outputs, U steps of K at once, each with accumulators of its own: with few rows, that hides the latency
// of the additions. 2 R U accumulators, at most 12 of the 16 registers.
template <int R, int U, typename W>
MAL_INFER_VECTORED void block(const Product& p, const W* panels, std::size_t row, std::size_t column) {
  const W* panel = panels + column * p.inputs;
  Eight low[U][R], high[U][R];
  MAL_INFER_UNROLL
  for (int r = 0; r < R; ++r) {
    MAL_INFER_UNROLL
    for (int u = 0; u < U; ++u) low[u][r] = high[u][r] = zeros();
    if (p.bias != nullptr) load_weights(p.bias + column, low[0][r], high[0][r]);
  }
  if (p.extra != nullptr)
    for (std::size_t e = 0; e < kExtras; ++e)
      step<R>(p.coefficients + kExtras * row + e, kExtras, p.extra + e * p.ldextra + column, low[0], high[0]);
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
      low[0][r] = add(low[0][r], low[u][r]);
      high[0][r] = add(high[0][r], high[u][r]);
    }
    finish(p, row + static_cast<std::size_t>(r), column, low[0][r], high[0][r]);
  }
}

// Which of at most 64 values are not zero, a bit each. NaN is not.
MAL_INFER_VECTORED std::uint64_t not_zeros(const float* x, std::size_t n) {
  std::uint64_t bits = 0;
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) bits |= std::uint64_t{not_zero(load(x + i))} << i;
  for (; i < n; ++i) bits |= std::uint64_t{x[i] != 0 ? 1U : 0U} << i;
  return bits;
}

// One row by 16 V outputs: passes over the inputs that are zero. The processor does not foresee which are not, so their
// weights are asked for kAhead inputs early.
template <int V, typename W>
MAL_INFER_VECTORED void strip(const Product& p, const W* strips, std::size_t column) {
  constexpr std::size_t kWidth = V * kLanes, kLine = 64;
  constexpr int kAhead = 4;
  const W* first = strips + column * p.inputs;
  Eight low[V], high[V];
  MAL_INFER_UNROLL
  for (int v = 0; v < V; ++v) {
    const std::size_t at = column + static_cast<std::size_t>(v) * kLanes;
    low[v] = high[v] = zeros();
    if (p.bias != nullptr) load_weights(p.bias + at, low[v], high[v]);
    for (std::size_t e = 0; p.extra != nullptr && e < kExtras; ++e)
      step<1>(p.coefficients + e, 0, p.extra + e * p.ldextra + at, &low[v], &high[v]);
  }
  for (std::size_t s = 0; s < p.segment_count; ++s) {
    const Segment& segment = p.segments[s];
    for (std::size_t k = 0; k < segment.count; k += 64) {
      const float* x = p.x + segment.first + k;
      const W* w = first + (segment.first + k) * kWidth;
      std::uint64_t bits = not_zeros(x, std::min<std::size_t>(64, segment.count - k)), ahead = bits;
      for (int a = 0; a < kAhead; ++a) ahead &= ahead - 1;
      for (; bits != 0; bits &= bits - 1) {
        const auto i = static_cast<std::size_t>(__builtin_ctzll(bits));
        if (ahead != 0) {
          const W* soon = w + static_cast<std::size_t>(__builtin_ctzll(ahead)) * kWidth;
          for (std::size_t at = 0; at < kWidth; at += kLine / sizeof(W)) prefetch(soon + at);
          ahead &= ahead - 1;
        }
        MAL_INFER_UNROLL
        for (int v = 0; v < V; ++v)
          step<1>(x + i, 0, w + i * kWidth + static_cast<std::size_t>(v) * kLanes, &low[v], &high[v]);
      }
    }
  }
  MAL_INFER_UNROLL
  for (int v = 0; v < V; ++v) finish(p, 0, column + static_cast<std::size_t>(v) * kLanes, low[v], high[v]);
}

template <typename W>
MAL_INFER_VECTORED void one_row(const Product& p, const W* strips) {
  std::size_t column = 0;
  for (; column + 3 * kLanes < p.outputs; column += kStrip) strip<4>(p, strips, column);
  switch (column < p.outputs ? padded(p.outputs - column) / kLanes : 0) {
    case 3:
      return strip<3>(p, strips, column);
    case 2:
      return strip<2>(p, strips, column);
    case 1:
      return strip<1>(p, strips, column);
    default:
      return;
  }
}

template <typename W>
MAL_INFER_VECTORED void product_of(const Product& p, const W* panels) {
  for (std::size_t column = 0; column < p.outputs; column += kLanes) {
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

MAL_INFER_VECTORED void product(const Product& p) {
  if (p.halves != nullptr)
    p.rows == 1 ? one_row(p, p.half_strips) : product_of(p, p.halves);
  else
    p.rows == 1 ? one_row(p, p.strips) : product_of(p, p.panels);
}

MAL_INFER_VECTORED float sum(const float* x, std::size_t n) {
  Eight sums[2] = {zeros(), zeros()};
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    sums[0] = add(sums[0], load(x + i));
    sums[1] = add(sums[1], load(x + i + 8));
  }
  return total(add(sums[0], sums[1])) + portable::sum(x + i, n - i);
}

MAL_INFER_VECTORED float squares(const float* x, std::size_t n, float mean) {
  const Eight center = spread(mean);
  Eight sums[2] = {zeros(), zeros()};
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const Eight a = subtract(load(x + i), center);
    const Eight b = subtract(load(x + i + 8), center);
    sums[0] = fused(a, a, sums[0]);
    sums[1] = fused(b, b, sums[1]);
  }
  return total(add(sums[0], sums[1])) + portable::squares(x + i, n - i, mean);
}

MAL_INFER_VECTORED void normalise(float* x, std::size_t n, float mean, float scale, const float* gamma) {
  const Eight center = spread(mean), factor = spread(scale);
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) store(x + i, multiply(multiply(subtract(load(x + i), center), factor), load(gamma + i)));
  portable::normalise(x + i, n - i, mean, scale, gamma + i);
}

MAL_INFER_VECTORED void fold(const DinWeights& w, const float* target, float* m, float* c) {
  const std::size_t h = w.padded_hidden;
  std::copy(w.b1.begin(), w.b1.end(), c);
  for (std::size_t i = 0; i < w.width; ++i) {
    const Eight t = spread(target + i);
    for (std::size_t k = 0; k < h; k += 8) {
      const std::size_t at = i * h + k;
      const Eight d = load(w.d.data() + at), a = load(w.a.data() + at);
      store(m + at, fused(t, d, a));
      store(c + k, fused(t, load(w.c.data() + at), load(c + k)));
    }
  }
}

// Adds to the scores of P positions what V vectors of hidden units, from `first` on, give.
template <int P, int V>
MAL_INFER_VECTORED void score(const DinWeights& w, const float* m, const float* c, const float* e, std::size_t first,
                              float* scores) {
  Eight h[P][V];
  MAL_INFER_UNROLL
  for (int v = 0; v < V; ++v) {
    const Eight start = load(c + first + static_cast<std::size_t>(8 * v));
    MAL_INFER_UNROLL
    for (int p = 0; p < P; ++p) h[p][v] = start;
  }
  const float* at = m + first;
  for (std::size_t i = 0; i < w.width; ++i, at += w.padded_hidden) {
    Eight x[P];
    MAL_INFER_UNROLL
    for (int p = 0; p < P; ++p) x[p] = spread(e + static_cast<std::size_t>(p) * w.width + i);
    MAL_INFER_UNROLL
    for (int v = 0; v < V; ++v) {
      const Eight weight = load(at + 8 * v);
      MAL_INFER_UNROLL
      for (int p = 0; p < P; ++p) h[p][v] = fused(x[p], weight, h[p][v]);
    }
  }
  MAL_INFER_UNROLL
  for (int p = 0; p < P; ++p) {
    Eight sum = zeros();
    MAL_INFER_UNROLL
    for (int v = 0; v < V; ++v) {
      const std::size_t k = first + static_cast<std::size_t>(8 * v);
      const Eight negative = multiply(h[p][v], load(w.alpha.data() + k));
      sum = fused(where_positive(h[p][v], h[p][v], negative), load(w.w2.data() + k), sum);
    }
    scores[p] += total(sum);
  }
}

template <int V>
MAL_INFER_VECTORED void score_all(const DinWeights& w, const float* m, const float* c, const float* e,
                                  std::size_t valid, std::size_t first, float* scores) {
  std::size_t j = 0;
  for (; j + 2 <= valid; j += 2) score<2, V>(w, m, c, e + j * w.width, first, scores + j);
  if (j < valid) score<1, V>(w, m, c, e + j * w.width, first, scores + j);
}

MAL_INFER_VECTORED void pool(const float* sequence, const float* scores, std::size_t valid, std::size_t width,
                             float* out) {
  std::size_t i = 0;
  for (; i + 8 <= width; i += 8) {
    Eight sum = zeros();
    for (std::size_t j = 0; j < valid; ++j) sum = fused(spread(scores + j), load(sequence + j * width + i), sum);
    store(out + i, sum);
  }
  for (; i < width; ++i) {
    out[i] = 0;
    for (std::size_t j = 0; j < valid; ++j) out[i] += scores[j] * sequence[j * width + i];
  }
}

MAL_INFER_VECTORED void din(const DinWeights& w, const float* sequence, std::size_t valid, const float* target,
                            float* out, float* scratch) {
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

}  // namespace mal::infer::detail::vectored
#endif

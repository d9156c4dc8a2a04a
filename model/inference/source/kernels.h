// The arithmetic. Weights lie in panels of 16 outputs, [outputs / 16][inputs][16], padded with zeros: a panel is read
// from front to back, and stays in the nearest caches while all rows of a tile pass through it. Weights that a file
// holds as bf16 stay so in memory and are widened in registers: one ad is bound by how fast weights come in. For a
// single row they lie in strips of 64 outputs too, [outputs / 64][inputs][64], the last strip as narrow as its outputs:
// the weights of an input that is zero, as half of what ReLU gives is, are whole lines then, and are not read.
// Each kernel exists in plain C++ and with vectors; kernels() picks once, by asking the processor.
#pragma once

#include "model/inference/source/result.h"

namespace mal::infer::detail {

inline constexpr std::size_t kLanes = 16, kStrip = 64, kExtras = 3;

inline std::size_t padded(std::size_t n, std::size_t unit = kLanes) {
  return (n + unit - 1) / unit * unit;
}

enum class Activation { none, relu, swish };

// A range of columns of x, that is of rows of the weights.
struct Segment {
  std::size_t first, count;
};

// y = act(bias + Σ over segments of x W + Σ c e + add). e: kExtras rows of a request, c: as many numbers a row of x.
// Rows of W, bias and e are padded; bias, e and add may be null.
struct Product {
  const float* x = nullptr;
  std::size_t ldx = 0, inputs = 0;
  const float* panels = nullptr;
  const float* strips = nullptr;          // with panels
  const std::uint16_t* halves = nullptr;  // bf16 in place of panels
  const std::uint16_t* half_strips = nullptr;
  const float* bias = nullptr;
  const Segment* segments = nullptr;
  std::size_t segment_count = 0;
  const float* extra = nullptr;  // [kExtras, ldextra]
  std::size_t ldextra = 0;
  const float* coefficients = nullptr;  // [rows, kExtras]
  const float* add = nullptr;
  std::size_t ldadd = 0;
  float* y = nullptr;
  std::size_t ldy = 0, rows = 0, outputs = 0;
  Activation activation = Activation::none;
};

// Weights of a linear layer, in panels and in strips; either as floats or as bf16.
struct Weights {
  Lines<float> panels, strips;
  Lines<std::uint16_t> halves, half_strips;
  Lines<float> bias;
};

// Where the 16 weights of input k and the outputs from `column` on begin; column: a multiple of 16.
inline std::size_t panel_place(std::size_t inputs, std::size_t k, std::size_t column) {
  return column * inputs + k * kLanes;
}
inline std::size_t strip_place(std::size_t inputs, std::size_t outputs, std::size_t k, std::size_t column) {
  const std::size_t first = column / kStrip * kStrip, width = std::min(kStrip, padded(outputs) - first);
  return first * inputs + k * width + (column - first);
}

// Where in the 16 halves of a row of a panel output n lies: 32 bits hold outputs i and i + 8, so that a shift gives the
// first eight outputs as floats and a mask the others.
inline std::size_t half_place(std::size_t n) {
  return n < kLanes / 2 ? 2 * n : 2 * n - kLanes + 1;
}
inline float widened(std::uint16_t bits) {
  const std::uint32_t wide = std::uint32_t{bits} << 16;
  return load_as<float>(&wide);
}

// Multi-head attention with one query an ad. Keys (with the scale) and values of a sequence are one product.
struct MultiHeadWeights {
  Weights query, key_value, output;  // [query width, d], [d, 2 d], [d, d]
};

// DIN with its first layer folded for one target t:  h_j = e_j (A + diag(t) D) + b1 + t C,  A = Wa + Wc, C = Wb − Wc.
struct DinWeights {
  std::size_t width = 0, hidden = 0, padded_hidden = 0;  // hidden is padded to 8 lanes
  bool softmax = false;
  Lines<float> a, c, d;        // [width, padded_hidden]
  Lines<float> b1, alpha, w2;  // [padded_hidden]
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
  if (activation == Activation::relu) return value < 0 ? 0.0F : value;  // NaN stays NaN
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

inline float weight(const float* row, std::size_t n) {
  return row[n];
}
inline float weight(const std::uint16_t* row, std::size_t n) {
  return widened(row[half_place(n)]);
}

template <typename W>
void product_of(const Product& p, const W* panels) {
  for (std::size_t column = 0; column < p.outputs; column += kLanes) {
    const W* panel = panels + column * p.inputs;
    for (std::size_t r = 0; r < p.rows; ++r) {
      float sums[kLanes] = {};
      if (p.bias != nullptr) std::copy_n(p.bias + column, kLanes, sums);
      for (std::size_t e = 0; p.extra != nullptr && e < kExtras; ++e)
        for (std::size_t i = 0; i < kLanes; ++i)
          sums[i] += p.coefficients[kExtras * r + e] * p.extra[e * p.ldextra + column + i];
      for (std::size_t s = 0; s < p.segment_count; ++s) {
        const float* x = p.x + r * p.ldx + p.segments[s].first;
        const W* w = panel + p.segments[s].first * kLanes;
        for (std::size_t k = 0; k < p.segments[s].count; ++k, w += kLanes)
          for (std::size_t i = 0; i < kLanes; ++i) sums[i] += x[k] * weight(w, i);
      }
      finish(p, r, column, sums);
    }
  }
}

inline void product(const Product& p) {
  if (p.halves != nullptr)
    product_of(p, p.halves);
  else
    product_of(p, p.panels);
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

inline void normalise(float* x, std::size_t n, float mean, float scale, const float* gamma) {
  for (std::size_t i = 0; i < n; ++i) x[i] = (x[i] - mean) * scale * gamma[i];
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

}  // namespace mal::infer::detail

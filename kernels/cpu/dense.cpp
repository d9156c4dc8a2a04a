#include "kernels/cpu/dense.h"

#include <algorithm>

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/vector.h"

namespace mal::kernels {

namespace {

float finished(float x, Activation activation) {
  return activation == Activation::relu && x < 0 ? 0.0F : x;  // NaN stays
}

// dy ← dy · act'(y) of some columns and the sums of them over the rows: held in registers, rows one after the other.
template <std::int64_t Vectors, bool Relu>
void masked_sums(const float* y, std::int64_t ldy, float* dy, std::int64_t lddy, std::int64_t rows, float* sums) {
  Vector totals[Vectors] = {};
  for (std::int64_t r = 0; r < rows; ++r, y += ldy, dy += lddy)
    for (std::int64_t v = 0; v < Vectors; ++v) {
      Vector gradient = load(dy + v * kLanes);
      if constexpr (Relu) {
        gradient = load(y + v * kLanes) > Vector{} ? gradient : Vector{};
        store(dy + v * kLanes, gradient);
      }
      totals[v] += gradient;
    }
  for (std::int64_t v = 0; v < Vectors; ++v) store(sums + v * kLanes, totals[v]);
}

template <bool Relu>
void masked_sums_of_rows(const float* y, std::int64_t ldy, float* dy, std::int64_t lddy, std::int64_t rows,
                         std::int64_t outputs, float* sums) {
  std::int64_t n = 0;
  for (; n + 4 * kLanes <= outputs; n += 4 * kLanes) masked_sums<4, Relu>(y + n, ldy, dy + n, lddy, rows, sums + n);
  for (; n + kLanes <= outputs; n += kLanes) masked_sums<1, Relu>(y + n, ldy, dy + n, lddy, rows, sums + n);
  for (; n < outputs; ++n) {
    float sum = 0;
    for (std::int64_t r = 0; r < rows; ++r) {
      float& gradient = dy[r * lddy + n];
      if constexpr (Relu) gradient = y[r * ldy + n] > 0 ? gradient : 0.0F;
      sum += gradient;
    }
    sums[n] = sum;
  }
}

}  // namespace

void bias_gradient(const LinearBackward& c, std::int64_t rows, std::int64_t outputs, Activation activation,
                   float* partial) {
  const bool relu = activation == Activation::relu;
  if (!relu && c.db == nullptr) return;
  parallel_ranges(rows, kRowBlock, [&](std::int64_t first, std::int64_t last) {
    const auto sums_of = relu ? masked_sums_of_rows<true> : masked_sums_of_rows<false>;
    sums_of(c.y + first * c.ldy, c.ldy, c.dy + first * c.lddy, c.lddy, last - first, outputs,
            partial + first / kRowBlock * outputs);
  });
  if (c.db == nullptr) return;
  std::copy_n(partial, outputs, c.db);
  for (std::int64_t block = 1; block < row_blocks(rows); ++block)
    for (std::int64_t n = 0; n < outputs; ++n) c.db[n] += partial[block * outputs + n];
}

void dot_forward(const LinearForward& c, std::int64_t first, std::int64_t last, std::int64_t inputs,
                 Activation activation) {
  const float bias = c.b == nullptr ? 0.0F : c.b[0];
  const float* w = c.w;
  for (std::int64_t r = first; r < last; ++r) {
    const float* row = c.x + r * c.ldx;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t k = 0; k < inputs; ++k) sum += row[k] * w[k];
    c.y[r * c.ldy] = finished(sum + bias, activation);
  }
}

void dot_backward_dx(const LinearBackward& c, std::int64_t first, std::int64_t last, std::int64_t inputs) {
  for (std::int64_t r = first; r < last; ++r) {
    const float gradient = c.dy[r * c.lddy];
    const float* w = c.w;
    float* row = c.dx + r * c.lddx;
    if (c.accumulate)
      for (std::int64_t k = 0; k < inputs; ++k) row[k] += gradient * w[k];
    else
      for (std::int64_t k = 0; k < inputs; ++k) row[k] = gradient * w[k];
  }
}

void dot_backward_dw(const LinearBackward& c, std::int64_t first, std::int64_t last, std::int64_t rows) {
  float* dw = c.dw;
  std::fill(dw + first, dw + last, 0.0F);
  for (std::int64_t r = 0; r < rows; ++r) {
    const float gradient = c.dy[r * c.lddy];
    const float* row = c.x + r * c.ldx;
    for (std::int64_t k = first; k < last; ++k) dw[k] += row[k] * gradient;
  }
}

}  // namespace mal::kernels

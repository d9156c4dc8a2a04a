// Dense layers over product.h's micro-kernels. Rows are cut into fixed blocks, dw into fixed stripes of inputs, so that
// the split, and with it every bit, is the same for any number of threads.
#include <algorithm>
#include <vector>

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/product.h"
#include "kernels/kernels.h"

namespace mal::kernels {

namespace {

// Rows of a block forward and for dx: whole tiles, and x with y in the second-level cache.
constexpr std::int64_t kProductRows = 16 * kTileRows;
// dw is cut into stripes of this many inputs; each is one product over all rows.
constexpr std::int64_t kInputStripe = 4 * kTileRows;

std::int64_t blocks_of(std::int64_t rows) {
  return (rows + kRowBlock - 1) / kRowBlock;
}

// A layer with one output (every logit) is a dot product a row: a panel would be empty but for one column.
bool is_dot(std::int64_t outputs) {
  return outputs == 1;
}

std::int64_t gradient_panels_at(std::int64_t inputs, std::int64_t outputs) {
  return packed_size(inputs, outputs);
}

// Where a caller keeps no packed weights, this thread's space for one layer.
const float* packed_here(const float* w, std::int64_t inputs, std::int64_t outputs, bool with_gradient) {
  thread_local std::vector<float> space;
  const auto floats = static_cast<std::size_t>(linear_packed_size(inputs, outputs, with_gradient));
  if (space.size() < floats) space.resize(floats);
  linear_pack(w, inputs, outputs, with_gradient, space.data());
  return space.data();
}

float finished(float x, Activation activation) {
  return activation == Activation::relu && x < 0 ? 0.0F : x;  // NaN stays
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

// dy ← dy · act'(y), and db from its sums a block of rows in partial[block, N].
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
  for (std::int64_t block = 1; block < blocks_of(rows); ++block)
    for (std::int64_t n = 0; n < outputs; ++n) c.db[n] += partial[block * outputs + n];
}

void weight_gradient(const LinearBackward& c, std::int64_t rows, std::int64_t inputs, std::int64_t outputs) {
  parallel_ranges(inputs, kInputStripe, [&](std::int64_t first, std::int64_t last) {
    if (is_dot(outputs)) return dot_backward_dw(c, first, last, rows);
    multiply_transposed(c.x + first, c.ldx, last - first, c.dy, c.lddy, outputs, rows, c.dw + first * outputs, outputs);
  });
}

void input_gradient(const LinearBackward& c, std::int64_t rows, std::int64_t inputs, std::int64_t outputs) {
  const float* panels = nullptr;
  if (!is_dot(outputs))
    panels = (c.packed == nullptr ? packed_here(c.w, inputs, outputs, true) : c.packed) +
             gradient_panels_at(inputs, outputs);
  parallel_ranges(rows, kProductRows, [&](std::int64_t first, std::int64_t last) {
    if (is_dot(outputs)) return dot_backward_dx(c, first, last, inputs);
    multiply_panels(c.dy + first * c.lddy, c.lddy, last - first, panels, outputs, inputs, c.dx + first * c.lddx, c.lddx,
                    {.accumulate = c.accumulate});
  });
}

void forward_of(const LinearForward& c, std::int64_t rows, std::int64_t inputs, std::int64_t outputs,
                Activation activation) {
  const float* panels = nullptr;
  if (!is_dot(outputs)) panels = c.packed == nullptr ? packed_here(c.w, inputs, outputs, false) : c.packed;
  parallel_ranges(rows, kProductRows, [&](std::int64_t first, std::int64_t last) {
    if (is_dot(outputs)) return dot_forward(c, first, last, inputs, activation);
    multiply_panels(c.x + first * c.ldx, c.ldx, last - first, panels, inputs, outputs, c.y + first * c.ldy, c.ldy,
                    {.bias = c.b, .relu = activation == Activation::relu});
  });
}

void backward_of(const LinearBackward& c, std::int64_t rows, std::int64_t inputs, std::int64_t outputs,
                 Activation activation, float* workspace) {
  if (rows == 0) {
    std::fill_n(c.dw, inputs * outputs, 0.0F);
    if (c.db != nullptr) std::fill_n(c.db, outputs, 0.0F);
    return;
  }
  bias_gradient(c, rows, outputs, activation, workspace);
  weight_gradient(c, rows, inputs, outputs);
  if (c.dx != nullptr) input_gradient(c, rows, inputs, outputs);
}

}  // namespace

std::int64_t linear_packed_size(std::int64_t inputs, std::int64_t outputs, bool with_gradient) {
  if (is_dot(outputs)) return 0;
  return gradient_panels_at(inputs, outputs) + (with_gradient ? packed_size(outputs, inputs) : 0);
}

void linear_pack(const float* w, std::int64_t inputs, std::int64_t outputs, bool with_gradient, float* packed) {
  if (is_dot(outputs)) return;
  pack(w, inputs, outputs, packed);
  if (with_gradient) pack_transposed(w, inputs, outputs, packed + gradient_panels_at(inputs, outputs));
}

void linear_forward(const float* x, std::int64_t ldx, const float* w, const float* b, float* y, std::int64_t ldy,
                    std::int64_t rows, std::int64_t inputs, std::int64_t outputs, Activation activation) {
  forward_of({x, ldx, w, b, y, ldy}, rows, inputs, outputs, activation);
}

void linear_backward(const float* x, std::int64_t ldx, const float* w, const float* y, std::int64_t ldy, float* dy,
                     std::int64_t lddy, float* dx, std::int64_t lddx, bool accumulate, float* dw, float* db,
                     std::int64_t rows, std::int64_t inputs, std::int64_t outputs, Activation activation,
                     float* workspace) {
  backward_of({x, ldx, w, y, ldy, dy, lddy, dx, lddx, accumulate, dw, db}, rows, inputs, outputs, activation,
              workspace);
}

std::int64_t linear_backward_workspace(std::int64_t rows, std::int64_t, std::int64_t outputs) {
  return blocks_of(rows) * outputs;
}

void linear_group_forward(const LinearForward* calls, std::int32_t count, std::int64_t rows, std::int64_t inputs,
                          std::int64_t outputs, Activation activation) {
  for (std::int32_t i = 0; i < count; ++i) forward_of(calls[i], rows, inputs, outputs, activation);
}

void linear_group_backward(const LinearBackward* calls, std::int32_t count, std::int64_t rows, std::int64_t inputs,
                           std::int64_t outputs, Activation activation, float* workspace) {
  for (std::int32_t i = 0; i < count; ++i) backward_of(calls[i], rows, inputs, outputs, activation, workspace);
}

std::int64_t linear_group_backward_workspace(std::int32_t, std::int64_t rows, std::int64_t inputs, std::int64_t outputs,
                                             bool) {
  return linear_backward_workspace(rows, inputs, outputs);
}

}  // namespace mal::kernels

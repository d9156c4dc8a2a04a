// The KernelTable's dense layers, alone, in groups and in chains, over the products of one precision:
//   kTileRows, kInputStripe             rows of the innermost tile; inputs of a stripe of dw
//   packed_size, pack, pack_transposed, multiply_panels, multiply_transposed     as in product.h
// Rows are cut into fixed blocks, dw into fixed stripes of inputs, so that the split, and with it every bit, is the
// same for any number of threads.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/dense.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/product.h"
#include "kernels/cpu/scratch.h"
#include "kernels/kernels.h"

namespace mal::kernels {

template <typename Products>
class Layers {
 public:
  static std::int64_t linear_packed_size(std::int64_t inputs, std::int64_t outputs, bool with_gradient) {
    if (is_dot(outputs)) return 0;
    return Products::packed_size(inputs, outputs) + (with_gradient ? Products::packed_size(outputs, inputs) : 0);
  }

  static void linear_pack(const float* w, std::int64_t inputs, std::int64_t outputs, bool with_gradient,
                          float* packed) {
    if (is_dot(outputs)) return;
    Products::pack(w, inputs, outputs, packed);
    if (with_gradient) Products::pack_transposed(w, inputs, outputs, packed + Products::packed_size(inputs, outputs));
  }

  static void linear_forward(const float* x, std::int64_t ldx, const float* w, const float* b, float* y,
                             std::int64_t ldy, std::int64_t rows, std::int64_t inputs, std::int64_t outputs,
                             Activation activation) {
    forward_of({x, ldx, w, b, y, ldy}, rows, inputs, outputs, activation);
  }

  static void linear_backward(const float* x, std::int64_t ldx, const float* w, const float* y, std::int64_t ldy,
                              float* dy, std::int64_t lddy, float* dx, std::int64_t lddx, bool accumulate, float* dw,
                              float* db, std::int64_t rows, std::int64_t inputs, std::int64_t outputs,
                              Activation activation, float* workspace) {
    backward_of({x, ldx, w, y, ldy, dy, lddy, dx, lddx, accumulate, dw, db}, rows, inputs, outputs, activation,
                workspace);
  }

  static std::int64_t linear_backward_workspace(std::int64_t rows, std::int64_t, std::int64_t outputs) {
    return row_blocks(rows) * outputs;
  }

  static void linear_group_forward(const LinearForward* calls, std::int32_t count, std::int64_t rows,
                                   std::int64_t inputs, std::int64_t outputs, Activation activation) {
    for (std::int32_t i = 0; i < count; ++i) forward_of(calls[i], rows, inputs, outputs, activation);
  }

  static void linear_group_backward(const LinearBackward* calls, std::int32_t count, std::int64_t rows,
                                    std::int64_t inputs, std::int64_t outputs, Activation activation,
                                    float* workspace) {
    for (std::int32_t i = 0; i < count; ++i) backward_of(calls[i], rows, inputs, outputs, activation, workspace);
  }

  static std::int64_t linear_group_backward_workspace(std::int32_t, std::int64_t rows, std::int64_t inputs,
                                                      std::int64_t outputs, bool) {
    return linear_backward_workspace(rows, inputs, outputs);
  }

  // Steps one after the other: on the CPU a call costs nothing that joining them would save.
  static void chain_forward(const ChainForward* steps, std::int32_t count, std::int64_t rows) {
    for (std::int32_t i = 0; i < count; ++i) {
      const ChainForward& s = steps[i];
      if (s.w == nullptr)
        add_forward(s.x, s.ldx, s.addend, s.ldaddend, s.y, s.ldy, rows, s.outputs);
      else
        linear_forward(s.x, s.ldx, s.w, s.b, s.y, s.ldy, rows, s.inputs, s.outputs, s.activation);
    }
  }

  static void chain_backward(const ChainBackward* steps, std::int32_t count, std::int64_t rows, float* workspace) {
    for (std::int32_t i = 0; i < count; ++i) {
      const ChainBackward& s = steps[i];
      if (s.w == nullptr)
        add_backward(s.dy, s.lddy, s.dx, s.lddx, s.accumulate, s.daddend, s.lddaddend, s.accumulate_addend, rows,
                     s.outputs);
      else
        linear_backward(s.x, s.ldx, s.w, s.y, s.ldy, s.dy, s.lddy, s.dx, s.lddx, s.accumulate, s.dw, s.db, rows,
                        s.inputs, s.outputs, s.activation, workspace);
    }
  }

  static std::int64_t chain_backward_workspace(const LayerSize* sizes, std::int32_t count, std::int64_t rows) {
    std::int64_t floats = 0;
    for (std::int32_t i = 0; i < count; ++i)
      floats = std::max(floats, linear_backward_workspace(rows, sizes[i].inputs, sizes[i].outputs));
    return floats;
  }

  static bool chains_layer(std::int64_t, std::int64_t) { return false; }

 private:
  // Rows of a block forward and for dx: whole tiles, and x with y in the second-level cache.
  static constexpr std::int64_t kProductRows = 16 * Products::kTileRows;

  // Where a caller keeps no packed weights, this thread's space for one layer.
  static const float* packed_here(const float* w, std::int64_t inputs, std::int64_t outputs, bool with_gradient) {
    struct Weights {};
    float* const space = thread_floats<Weights>(linear_packed_size(inputs, outputs, with_gradient));
    linear_pack(w, inputs, outputs, with_gradient, space);
    return space;
  }

  static void weight_gradient(const LinearBackward& c, std::int64_t rows, std::int64_t inputs, std::int64_t outputs) {
    parallel_ranges(inputs, Products::kInputStripe, [&](std::int64_t first, std::int64_t last) {
      if (is_dot(outputs)) return dot_backward_dw(c, first, last, rows);
      Products::multiply_transposed(c.x + first, c.ldx, last - first, c.dy, c.lddy, outputs, rows,
                                    c.dw + first * outputs, outputs);
    });
  }

  static void input_gradient(const LinearBackward& c, std::int64_t rows, std::int64_t inputs, std::int64_t outputs) {
    const float* panels = nullptr;
    if (!is_dot(outputs))
      panels = (c.packed == nullptr ? packed_here(c.w, inputs, outputs, true) : c.packed) +
               Products::packed_size(inputs, outputs);
    parallel_ranges(rows, kProductRows, [&](std::int64_t first, std::int64_t last) {
      if (is_dot(outputs)) return dot_backward_dx(c, first, last, inputs);
      Products::multiply_panels(c.dy + first * c.lddy, c.lddy, last - first, panels, outputs, inputs,
                                c.dx + first * c.lddx, c.lddx, {.accumulate = c.accumulate});
    });
  }

  static void forward_of(const LinearForward& c, std::int64_t rows, std::int64_t inputs, std::int64_t outputs,
                         Activation activation) {
    const float* panels = nullptr;
    if (!is_dot(outputs)) panels = c.packed == nullptr ? packed_here(c.w, inputs, outputs, false) : c.packed;
    parallel_ranges(rows, kProductRows, [&](std::int64_t first, std::int64_t last) {
      if (is_dot(outputs)) return dot_forward(c, first, last, inputs, activation);
      Products::multiply_panels(c.x + first * c.ldx, c.ldx, last - first, panels, inputs, outputs, c.y + first * c.ldy,
                                c.ldy, {.bias = c.b, .relu = activation == Activation::relu});
    });
  }

  static void backward_of(const LinearBackward& c, std::int64_t rows, std::int64_t inputs, std::int64_t outputs,
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
};

}  // namespace mal::kernels

// A reference for bf16: the CPU's fp32 kernels, given dense layers' operands that were rounded to bf16 before. What it
// computes differs from bf16 kernels by the order of sums alone, and where that makes a later operand round the other
// way.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/kernels.h"

namespace mal::test::rounded_layers {

using kernels::Activation;

// To eight bits, ties to even; what is not finite stays.
inline float rounded(float x) {
  if (!std::isfinite(x)) return x;
  int exponent = 0;
  const float fraction = std::frexp(x, &exponent);
  return std::ldexp(std::nearbyint(fraction * 256), exponent - 8);
}

// A copy of m[rows, columns] without gaps.
inline std::vector<float> copy_of(const float* m, std::int64_t stride, std::int64_t rows, std::int64_t columns,
                                  bool round = true) {
  std::vector<float> values;
  values.reserve(static_cast<std::size_t>(rows * columns));
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c) values.push_back(round ? rounded(m[r * stride + c]) : m[r * stride + c]);
  return values;
}

// A layer with one output is not rounded, and a bias's gradient is a sum of gradients that are not.
inline void forward(const kernels::LinearForward* calls, std::int32_t count, std::int64_t rows, std::int64_t inputs,
                    std::int64_t outputs, Activation activation) {
  for (std::int32_t i = 0; i < count; ++i) {
    const kernels::LinearForward& c = calls[i];
    const std::vector<float> x = copy_of(c.x, c.ldx, rows, inputs, outputs > 1),
                             w = copy_of(c.w, outputs, inputs, outputs, outputs > 1);
    kernels::cpu_kernels().linear_forward(x.data(), inputs, w.data(), c.b, c.y, c.ldy, rows, inputs, outputs,
                                          activation);
  }
}

inline void backward(const kernels::LinearBackward* calls, std::int32_t count, std::int64_t rows, std::int64_t inputs,
                     std::int64_t outputs, Activation activation, float* workspace) {
  const auto run = [&](const kernels::LinearBackward& c) {
    kernels::cpu_kernels().linear_backward(c.x, c.ldx, c.w, c.y, c.ldy, c.dy, c.lddy, c.dx, c.lddx, c.accumulate, c.dw,
                                           c.db, rows, inputs, outputs, activation, workspace);
  };
  for (std::int32_t i = 0; i < count; ++i) {
    kernels::LinearBackward c = calls[i];
    if (outputs == 1) {
      run(c);
      continue;
    }
    const std::vector<float> x = copy_of(c.x, c.ldx, rows, inputs), w = copy_of(c.w, outputs, inputs, outputs);
    std::vector<float> dy = copy_of(c.dy, c.lddy, rows, outputs);
    kernels::LinearBackward unrounded = c;
    unrounded.dx = nullptr;
    run(unrounded);  // db, and dy as it is left
    std::vector<float> unused(static_cast<std::size_t>(outputs));
    c.x = x.data(), c.ldx = inputs, c.w = w.data(), c.dy = dy.data(), c.lddy = outputs, c.db = unused.data();
    run(c);
  }
}

inline const kernels::KernelTable& kernels_with() {
  static const kernels::KernelTable table = [] {
    kernels::KernelTable made = kernels::cpu_kernels();
    made.linear_group_forward = forward;
    made.linear_group_backward = backward;
    made.linear_packed_size = [](std::int64_t, std::int64_t, bool) { return std::int64_t{0}; };
    made.linear_pack = [](const float*, std::int64_t, std::int64_t, bool, float*) {};
    return made;
  }();
  return table;
}

}  // namespace mal::test::rounded_layers

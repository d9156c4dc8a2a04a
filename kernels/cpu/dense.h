// The parts of a dense layer that are the same in every precision: the bias's gradient, and layers with one output.
#pragma once

#include <cstdint>

#include "kernels/kernels.h"

namespace mal::kernels {

constexpr std::int64_t row_blocks(std::int64_t rows) {
  return (rows + kRowBlock - 1) / kRowBlock;
}

// dy ← dy · act'(y), and db from its sums a block of rows in partial[block, N].
void bias_gradient(const LinearBackward& c, std::int64_t rows, std::int64_t outputs, Activation activation,
                   float* partial);

// A layer with one output (every logit) is a dot product a row: a panel would be empty but for one column. Always in
// fp32.
constexpr bool is_dot(std::int64_t outputs) {
  return outputs == 1;
}
// Of the rows [first, last), and those of dw of the inputs [first, last).
void dot_forward(const LinearForward& c, std::int64_t first, std::int64_t last, std::int64_t inputs,
                 Activation activation);
void dot_backward_dx(const LinearBackward& c, std::int64_t first, std::int64_t last, std::int64_t inputs);
void dot_backward_dw(const LinearBackward& c, std::int64_t first, std::int64_t last, std::int64_t rows);

}  // namespace mal::kernels

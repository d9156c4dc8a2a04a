// Dense layers that are too small for a product of the library to pay: its launches, one for each of dw and dx and one
// for the activation, would take longer than its arithmetic. A block takes 64 rows of a layer with all of its weights
// in shared memory: forward one launch for all layers of a group, backward one, with the activation's derivative
// applied as dy is read, and partial sums of dw and db that sum_partials() adds up. Always in fp32, whatever Precision
// says.
#pragma once

#include "kernels/cuda/support/launch.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

// Whether a layer is taken here.
bool is_small_linear(std::int64_t inputs, std::int64_t outputs);

// As linear_group_forward and linear_group_backward, of at least one row and with a dx of its own for each call.
void small_linear_forward(const LinearForward* calls, std::int32_t count, std::int64_t rows, std::int64_t inputs,
                          std::int64_t outputs, Activation activation);
void small_linear_backward(const LinearBackward* calls, std::int32_t count, std::int64_t rows, std::int64_t inputs,
                           std::int64_t outputs, Activation activation, float* workspace);
std::int64_t small_linear_workspace(std::int32_t count, std::int64_t rows, std::int64_t inputs, std::int64_t outputs);

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

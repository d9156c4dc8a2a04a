// Layer norm, and batch norm with swish. Conventions: kernels/kernels.h.
// CPU: cpu/norm.cpp
#pragma once

#include <cstdint>

#include "kernels/families/elementwise.h"

namespace mal::kernels {

// y = (x − mean) / √(var + eps) · gamma + beta over each row (var: biased).  x[B,N] → y[B,N], mean[B], rstd[B]
void layer_norm_forward(const float* x, std::int64_t ldx, const float* gamma, const float* beta, float* y,
                        std::int64_t ldy, float* mean, float* rstd, std::int64_t rows, std::int64_t width, float eps);
void layer_norm_backward(const float* x, std::int64_t ldx, const float* gamma, const float* mean, const float* rstd,
                         const float* dy, std::int64_t lddy, float* dx, std::int64_t lddx, bool accumulate,
                         float* dgamma, float* dbeta, std::int64_t rows, std::int64_t width, float* workspace);
std::int64_t layer_norm_backward_workspace(std::int64_t rows, std::int64_t width);

// Batch norm with the swish that follows it in HoME's experts (cpu/batch_norm.cpp):
//   n = (x − mean) / √(variance + eps) · gamma + beta,  y = n σ(n)
// over each column's batch statistics in training (torch.nn.BatchNorm1d), its running ones in evaluation.

// mean[N], variance[N] (biased) of the columns of x[B,N]; zeros where B = 0.
void batch_norm_statistics(const float* x, std::int64_t ldx, float* mean, float* variance, std::int64_t rows,
                           std::int64_t width, double* workspace);
std::int64_t batch_norm_statistics_workspace(std::int64_t rows, std::int64_t width);  // in doubles
void batch_norm_swish_forward(const float* x, std::int64_t ldx, const float* gamma, const float* beta,
                              const float* mean, const float* variance, float* y, std::int64_t ldy, std::int64_t rows,
                              std::int64_t width, float eps);
// Of training: through the statistics too. dy is overwritten by the gradient of n. dx may be null.
void batch_norm_swish_backward(const float* x, std::int64_t ldx, const float* gamma, const float* beta,
                               const float* mean, const float* variance, float* dy, std::int64_t lddy, float* dx,
                               std::int64_t lddx, bool accumulate, float* dgamma, float* dbeta, std::int64_t rows,
                               std::int64_t width, float eps, double* workspace);
std::int64_t batch_norm_swish_backward_workspace(std::int64_t rows, std::int64_t width);  // in doubles
// running ← (1 − momentum) running + momentum · batch's, the variance unbiased (· B / (B − 1)); of one row only the
// mean moves, of none nothing. Nothing moves if the step's gradients are not finite.
void batch_norm_update(const float* mean, const float* variance, float* running_mean, float* running_variance,
                       std::int64_t rows, std::int64_t width, float momentum, const GradientNorm* norm);

}  // namespace mal::kernels

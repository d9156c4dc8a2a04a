// Layer norm: one pass for the mean, one for the variance (two passes lose no digits to cancellation), rows of a few
// hundred floats stay in the first-level cache between them. The mean is summed from the row's first element, so that a
// row of constants has exactly that mean: a rounding error there, divided by √(0 + eps), would become the output.
#include <cmath>

#include "kernels/cpu/parallel.h"
#include "kernels/kernels.h"

namespace mal::kernels {

void layer_norm_forward(const float* x, std::int64_t ldx, const float* gamma, const float* beta, float* y,
                        std::int64_t ldy, float* mean, float* rstd, std::int64_t rows, std::int64_t width, float eps) {
  const auto n = static_cast<float>(width);
  parallel_ranges(rows, kRowBlock, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t r = first; r < last; ++r) {
      const float* in = x + r * ldx;
      const float origin = in[0];
      float sum = 0;
#pragma omp simd reduction(+ : sum)
      for (std::int64_t c = 0; c < width; ++c) sum += in[c] - origin;
      const float mu = origin + sum / n;
      float square = 0;
#pragma omp simd reduction(+ : square)
      for (std::int64_t c = 0; c < width; ++c) square += (in[c] - mu) * (in[c] - mu);
      const float scale = 1.0F / std::sqrt(square / n + eps);
      mean[r] = mu;
      rstd[r] = scale;
      float* out = y + r * ldy;
      for (std::int64_t c = 0; c < width; ++c) out[c] = (in[c] - mu) * scale * gamma[c] + beta[c];
    }
  });
}

namespace {

// With x̂ = (x − mean) rstd and g = dy gamma:  dx = rstd (g − mean(g) − x̂ mean(g x̂)).
void backward_of_row(const float* x, const float* gamma, float mean, float rstd, const float* dy, float* dx,
                     bool accumulate, float* gamma_sum, float* beta_sum, std::int64_t width) {
  const auto n = static_cast<float>(width);
  float sum = 0, product = 0;
#pragma omp simd reduction(+ : sum, product)
  for (std::int64_t c = 0; c < width; ++c) {
    const float normal = (x[c] - mean) * rstd;
    const float g = dy[c] * gamma[c];
    sum += g;
    product += g * normal;
  }
  const float mean_g = sum / n, mean_product = product / n;
  // The compiler sees arrays that might overlap; they do not.
#pragma omp simd
  for (std::int64_t c = 0; c < width; ++c) {
    const float normal = (x[c] - mean) * rstd;
    gamma_sum[c] += dy[c] * normal;
    beta_sum[c] += dy[c];
    const float value = rstd * (dy[c] * gamma[c] - mean_g - normal * mean_product);
    dx[c] = accumulate ? dx[c] + value : value;
  }
}

}  // namespace

void layer_norm_backward(const float* x, std::int64_t ldx, const float* gamma, const float* mean, const float* rstd,
                         const float* dy, std::int64_t lddy, float* dx, std::int64_t lddx, bool accumulate,
                         float* dgamma, float* dbeta, std::int64_t rows, std::int64_t width, float* workspace) {
  const std::int64_t blocks = (rows + kRowBlock - 1) / kRowBlock;
  parallel_ranges(rows, kRowBlock, [&](std::int64_t first, std::int64_t last) {
    float* gamma_sum = workspace + first / kRowBlock * 2 * width;
    float* beta_sum = gamma_sum + width;
    std::fill_n(gamma_sum, 2 * width, 0.0F);
    for (std::int64_t r = first; r < last; ++r)
      backward_of_row(x + r * ldx, gamma, mean[r], rstd[r], dy + r * lddy, dx + r * lddx, accumulate, gamma_sum,
                      beta_sum, width);
  });
  std::fill_n(dgamma, width, 0.0F);
  std::fill_n(dbeta, width, 0.0F);
  for (std::int64_t block = 0; block < blocks; ++block)
    for (std::int64_t c = 0; c < width; ++c) {
      dgamma[c] += workspace[block * 2 * width + c];
      dbeta[c] += workspace[block * 2 * width + width + c];
    }
}

std::int64_t layer_norm_backward_workspace(std::int64_t rows, std::int64_t width) {
  return (rows + kRowBlock - 1) / kRowBlock * 2 * width;
}

}  // namespace mal::kernels

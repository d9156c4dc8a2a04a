// Batch norm and swish in one pass. Column sums are taken by blocks of rows and added in block order in fp64: two
// passes over x, for the mean and then for the squares about it, lose no digits to cancellation.
#include <algorithm>
#include <cmath>

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/sigmoid.h"
#include "kernels/kernels.h"

namespace mal::kernels {

namespace {

std::int64_t blocks_of(std::int64_t rows) {
  return (rows + kRowBlock - 1) / kRowBlock;
}

struct Partial;
struct Factors;

// sums[width] = Σ over blocks of what add(first, last, partial[width]) has put there.
template <typename Add>
void column_sums(std::int64_t rows, std::int64_t width, double* workspace, double* sums, const Add& add) {
  parallel_ranges(rows, kRowBlock, [&](std::int64_t first, std::int64_t last) {
    float* const partial = thread_floats<Partial>(width);
    std::fill_n(partial, width, 0.0F);
    for (std::int64_t r = first; r < last; ++r) add(r, partial);
    std::copy_n(partial, width, workspace + first / kRowBlock * width);
  });
  std::fill_n(sums, width, 0.0);
  for (std::int64_t block = 0; block < blocks_of(rows); ++block)
    for (std::int64_t c = 0; c < width; ++c) sums[c] += workspace[block * width + c];
}

// 1 / √(variance + eps) of every column; on the calling thread, which others may read while it waits for them.
const float* rstd_of(const float* variance, std::int64_t width, float eps) {
  float* const rstd = thread_floats<Factors>(width);
  for (std::int64_t c = 0; c < width; ++c) rstd[c] = 1.0F / std::sqrt(variance[c] + eps);
  return rstd;
}

}  // namespace

void batch_norm_statistics(const float* x, std::int64_t ldx, float* mean, float* variance, std::int64_t rows,
                           std::int64_t width, double* workspace) {
  std::fill_n(mean, width, 0.0F);
  std::fill_n(variance, width, 0.0F);
  if (rows == 0) return;
  const auto n = static_cast<double>(rows);
  double* sums = workspace + blocks_of(rows) * width;
  column_sums(rows, width, workspace, sums, [&](std::int64_t r, float* partial) {
    for (std::int64_t c = 0; c < width; ++c) partial[c] += x[r * ldx + c];
  });
  for (std::int64_t c = 0; c < width; ++c) mean[c] = static_cast<float>(sums[c] / n);
  column_sums(rows, width, workspace, sums, [&](std::int64_t r, float* partial) {
    for (std::int64_t c = 0; c < width; ++c) {
      const float off = x[r * ldx + c] - mean[c];
      partial[c] += off * off;
    }
  });
  for (std::int64_t c = 0; c < width; ++c) variance[c] = static_cast<float>(sums[c] / n);
}

std::int64_t batch_norm_statistics_workspace(std::int64_t rows, std::int64_t width) {
  return (blocks_of(rows) + 1) * width;
}

void batch_norm_swish_forward(const float* x, std::int64_t ldx, const float* gamma, const float* beta,
                              const float* mean, const float* variance, float* y, std::int64_t ldy, std::int64_t rows,
                              std::int64_t width, float eps) {
  const float* const rstd = rstd_of(variance, width, eps);
  parallel_ranges(rows, kRowBlock, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t r = first; r < last; ++r) {
      const float* in = x + r * ldx;
      float* out = y + r * ldy;
#pragma omp simd
      for (std::int64_t c = 0; c < width; ++c) {
        const float n = (in[c] - mean[c]) * rstd[c] * gamma[c] + beta[c];
        out[c] = n * fast_sigmoid(n);
      }
    }
  });
}

// swish'(n) = σ + n σ (1 − σ). Then with x̂ = (x − mean) rstd:  dx = gamma rstd (dn − mean(dn) − x̂ mean(dn x̂)).
void batch_norm_swish_backward(const float* x, std::int64_t ldx, const float* gamma, const float* beta,
                               const float* mean, const float* variance, float* dy, std::int64_t lddy, float* dx,
                               std::int64_t lddx, bool accumulate, float* dgamma, float* dbeta, std::int64_t rows,
                               std::int64_t width, float eps, double* workspace) {
  const float* const rstd = rstd_of(variance, width, eps);
  double* sums = workspace + blocks_of(rows) * 2 * width;
  column_sums(rows, 2 * width, workspace, sums, [&](std::int64_t r, float* partial) {
    const float* in = x + r * ldx;
    float* gradient = dy + r * lddy;
#pragma omp simd
    for (std::int64_t c = 0; c < width; ++c) {
      const float normal = (in[c] - mean[c]) * rstd[c];
      const float n = normal * gamma[c] + beta[c];
      const float sigmoid = fast_sigmoid(n);
      gradient[c] *= sigmoid + n * sigmoid * (1.0F - sigmoid);
      partial[c] += gradient[c];
      partial[width + c] += gradient[c] * normal;
    }
  });
  for (std::int64_t c = 0; c < width; ++c) {
    dbeta[c] = static_cast<float>(sums[c]);
    dgamma[c] = static_cast<float>(sums[width + c]);
  }
  if (dx == nullptr) return;
  const float share = rows == 0 ? 0.0F : 1.0F / static_cast<float>(rows);
  parallel_ranges(rows, kRowBlock, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t r = first; r < last; ++r) {
      const float *in = x + r * ldx, *gradient = dy + r * lddy;
      float* out = dx + r * lddx;
      for (std::int64_t c = 0; c < width; ++c) {
        const float normal = (in[c] - mean[c]) * rstd[c];
        const float value = gamma[c] * rstd[c] * (gradient[c] - share * (dbeta[c] + normal * dgamma[c]));
        out[c] = accumulate ? out[c] + value : value;
      }
    }
  });
}

std::int64_t batch_norm_swish_backward_workspace(std::int64_t rows, std::int64_t width) {
  return (blocks_of(rows) + 1) * 2 * width;
}

void batch_norm_update(const float* mean, const float* variance, float* running_mean, float* running_variance,
                       std::int64_t rows, std::int64_t width, float momentum, const GradientNorm* norm) {
  if (rows == 0 || norm->finite == 0) return;
  const float unbiased = rows == 1 ? 0.0F : static_cast<float>(rows) / static_cast<float>(rows - 1);
  for (std::int64_t c = 0; c < width; ++c) {
    running_mean[c] = (1.0F - momentum) * running_mean[c] + momentum * mean[c];
    if (rows > 1) running_variance[c] = (1.0F - momentum) * running_variance[c] + momentum * unbiased * variance[c];
  }
}

}  // namespace mal::kernels

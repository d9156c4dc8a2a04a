// Updates as one multi-tensor call: every tensor is cut into fixed blocks of elements, read and written once.
#include <algorithm>
#include <cmath>

#include "kernels/cpu/parallel.h"
#include "kernels/kernels.h"

namespace mal::kernels {

namespace {

constexpr std::int64_t kElements = 4096;
constexpr std::int64_t kTableRows = 256;
constexpr std::int64_t kPrefetchRows = 16;  // far enough ahead for a row to come from memory

// Adam's bias corrections, from double so that β^step keeps its digits.
struct AdamFactors {
  float rate, inverse_root;
};
AdamFactors adam_factors(const OptimizerStep& step) {
  const auto t = static_cast<double>(step.step);
  return {static_cast<float>(static_cast<double>(step.rate) / (1.0 - std::pow(static_cast<double>(step.beta1), t))),
          static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(static_cast<double>(step.beta2), t)))};
}

// Inlined, so that a row of 16 is one pass of vectors without a loop.
[[gnu::always_inline]] inline void adam_span(const OptimizerStep& step, float scale, AdamFactors factors,
                                             bool decoupled, float* w, const float* g, float* m, float* v,
                                             std::int64_t size) {
  const float decay = decoupled ? 1.0F - step.rate * step.l2 : 1.0F;
  const float l2 = decoupled ? 0.0F : step.l2;
#pragma omp simd
  for (std::int64_t i = 0; i < size; ++i) {
    const float weight = w[i] * decay;
    const float gradient = (g == nullptr ? 0.0F : g[i] * scale) + l2 * weight;
    m[i] = step.beta1 * m[i] + (1.0F - step.beta1) * gradient;
    v[i] = step.beta2 * v[i] + (1.0F - step.beta2) * gradient * gradient;
    w[i] = weight - factors.rate * m[i] / (std::sqrt(v[i]) * factors.inverse_root + step.eps);
  }
}

void adagrad_span(const OptimizerStep& step, float scale, float* w, const float* g, float* s, std::int64_t size) {
#pragma omp simd
  for (std::int64_t i = 0; i < size; ++i) {
    const float gradient = g[i] * scale + step.l2 * w[i];
    s[i] += gradient * gradient;
    w[i] -= step.rate * gradient / (std::sqrt(s[i]) + step.eps);
  }
}

void sgd_span(const OptimizerStep& step, float scale, float* w, const float* g, float* velocity, std::int64_t size) {
  if (step.momentum == 0) {
#pragma omp simd
    for (std::int64_t i = 0; i < size; ++i) w[i] -= step.rate * (g[i] * scale + step.l2 * w[i]);
    return;
  }
#pragma omp simd
  for (std::int64_t i = 0; i < size; ++i) {
    velocity[i] = step.momentum * velocity[i] + g[i] * scale + step.l2 * w[i];
    w[i] -= step.rate * velocity[i];
  }
}

void rowwise_adagrad_row(const OptimizerStep& step, float scale, float* w, const float* g, float* s,
                         std::int64_t size) {
  float square = 0;
  for (std::int64_t i = 0; i < size; ++i) {
    const float gradient = g[i] * scale + step.l2 * w[i];
    square += gradient * gradient;
  }
  *s += square / static_cast<float>(size);
  const float rate = step.rate / (std::sqrt(*s) + step.eps);
  for (std::int64_t i = 0; i < size; ++i) w[i] -= rate * (g[i] * scale + step.l2 * w[i]);
}

void ftrl_row(const OptimizerStep& step, float scale, float* w, const float* g, float* z, float* n, std::int64_t size) {
  for (std::int64_t i = 0; i < size; ++i) {
    const float gradient = g[i] * scale;
    const float next = n[i] + gradient * gradient;
    z[i] += gradient - (std::sqrt(next) - std::sqrt(n[i])) / step.rate * w[i];
    n[i] = next;
    const float excess = std::abs(z[i]) - step.l1;
    w[i] = excess <= 0 ? 0.0F : -std::copysign(excess, z[i]) / ((step.beta + std::sqrt(next)) / step.rate + step.l2);
  }
}

// State beside the weights.
void adam_row(const OptimizerStep& step, float scale, AdamFactors factors, float* w, const float* g, std::int64_t d) {
  if (d == 16) return adam_span(step, scale, factors, false, w, g, w + 16, w + 32, 16);
  adam_span(step, scale, factors, false, w, g, w + d, w + 2 * d, d);
}

void dense_span(DenseRule rule, const OptimizerStep& step, float scale, AdamFactors factors, const DenseTensor& tensor,
                std::int64_t first, std::int64_t size) {
  float* w = tensor.weights + first;
  const float* g = tensor.gradients + first;
  float* state = tensor.state1 == nullptr ? nullptr : tensor.state1 + first;
  switch (rule) {
    case DenseRule::sgd:
      return sgd_span(step, scale, w, g, state, size);
    case DenseRule::adagrad:
      return adagrad_span(step, scale, w, g, state, size);
    case DenseRule::adam:
      return adam_span(step, scale, factors, false, w, g, state, tensor.state2 + first, size);
    case DenseRule::adamw:
      return adam_span(step, scale, factors, true, w, g, state, tensor.state2 + first, size);
  }
}

void sparse_row(SparseRule rule, const OptimizerStep& step, float scale, AdamFactors factors, float* w, const float* g,
                std::int64_t d) {
  switch (rule) {
    case SparseRule::sgd:
      return sgd_span(step, scale, w, g, w + d, d);
    case SparseRule::adagrad:
      return adagrad_span(step, scale, w, g, w + d, d);
    case SparseRule::rowwise_adagrad:
      return rowwise_adagrad_row(step, scale, w, g, w + d, d);
    case SparseRule::lazy_adam:
    case SparseRule::adam_dense:
      return adam_row(step, scale, factors, w, g, d);
    case SparseRule::ftrl:
      return ftrl_row(step, scale, w, g, w + d, w + 2 * d, d);
  }
}

// Touched rows are rising, so a block of table rows finds its gradients by bisection.
void adam_dense_table(const OptimizerStep& step, float scale, AdamFactors factors, const SparseTensor& tensor) {
  const std::int32_t* const end = tensor.rows + *tensor.count;
  parallel_ranges(tensor.table_rows, kTableRows, [&](std::int64_t first, std::int64_t last) {
    const std::int32_t* next = std::lower_bound(tensor.rows, end, first);
    for (std::int64_t row = first; row < last; ++row) {
      const bool touched = next != end && *next == row;
      const float* gradient = touched ? tensor.values + (next - tensor.rows) * tensor.width : nullptr;
      float* w = tensor.table + row * tensor.row_stride;
      adam_row(step, scale, factors, w, gradient, tensor.width);
      if (touched) ++next;
    }
  });
}

// Weights and state, by cache lines; a processor fetches the second of two lines by itself.
void prefetch_row(const float* row, std::int64_t stride) {
  for (std::int64_t i = 0; i < stride; i += stride <= 32 ? 32 : 16) __builtin_prefetch(row + i, 1);
}

void touched_rows(SparseRule rule, const OptimizerStep& step, float scale, AdamFactors factors,
                  const SparseTensor& tensor) {
  const std::int64_t count = *tensor.count;
  parallel_ranges(count, kTableRows, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      if (i + kPrefetchRows < count)
        prefetch_row(tensor.table + tensor.rows[i + kPrefetchRows] * tensor.row_stride, tensor.row_stride);
      sparse_row(rule, step, scale, factors, tensor.table + tensor.rows[i] * tensor.row_stride,
                 tensor.values + i * tensor.width, tensor.width);
    }
  });
}

}  // namespace

void dense_update(DenseRule rule, const OptimizerStep* step, const GradientNorm* norm, const DenseTensor* tensors,
                  std::int32_t count) {
  if (norm->finite == 0) return;
  const AdamFactors factors = adam_factors(*step);
  for (std::int32_t t = 0; t < count; ++t)
    parallel_ranges(tensors[t].size, kElements, [&](std::int64_t first, std::int64_t last) {
      dense_span(rule, *step, norm->scale, factors, tensors[t], first, last - first);
    });
}

void sparse_update(SparseRule rule, const OptimizerStep* step, const GradientNorm* norm, const SparseTensor* tensors,
                   std::int32_t count) {
  if (norm->finite == 0) return;
  const AdamFactors factors = adam_factors(*step);
  for (std::int32_t t = 0; t < count; ++t) {
    if (rule == SparseRule::adam_dense)
      adam_dense_table(*step, norm->scale, factors, tensors[t]);
    else
      touched_rows(rule, *step, norm->scale, factors, tensors[t]);
  }
}

std::int32_t sparse_state_width(SparseRule rule, std::int32_t width, float momentum) {
  switch (rule) {
    case SparseRule::sgd:
      return momentum == 0 ? 0 : width;
    case SparseRule::adagrad:
      return width;
    case SparseRule::rowwise_adagrad:
      return 1;
    case SparseRule::lazy_adam:
    case SparseRule::ftrl:
    case SparseRule::adam_dense:
      return 2 * width;
  }
  return 0;
}

}  // namespace mal::kernels

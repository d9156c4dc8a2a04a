// Updates of dense parameters and tables. Conventions: kernels/kernels.h.
// CPU: cpu/optimizer.cpp
#pragma once

#include <cstdint>

#include "kernels/families/elementwise.h"

namespace mal::kernels {

enum class DenseRule : std::int32_t { sgd, adagrad, adam, adamw };
enum class SparseRule : std::int32_t { sgd, adagrad, rowwise_adagrad, lazy_adam, ftrl, adam_dense };

// One step's constants. Formulas as torch.optim's of the same name (PyTorch 1.13 and later agree); g is the gradient
// times GradientNorm::scale, plus l2 · w except for ftrl, and for adamw, where w ← w − rate · l2 · w comes first.
//   sgd              v ← momentum · v + g (v = g at step 1);  w ← w − rate · v         (momentum 0: no state)
//   adagrad          s ← s + g²;  w ← w − rate · g / (√s + eps)
//   adam, adamw, lazy_adam, adam_dense
//                    m ← β1 m + (1 − β1) g;  v ← β2 v + (1 − β2) g²;
//                    w ← w − rate/(1 − β1^step) · m / (√v/√(1 − β2^step) + eps)
//   rowwise_adagrad  s ← s + mean_row(g²);  w ← w − rate · g / (√s + eps)               one s a row
//   ftrl             n' = n + g²;  z ← z + g − (√n' − √n)/rate · w;  n ← n';
//                    w ← |z| ≤ l1 ? 0 : −(z − sign(z) l1) / ((beta + √n)/rate + l2)     (McMahan et al., KDD'13)
struct OptimizerStep {
  float rate;
  float beta1, beta2, eps;
  float l1, l2, momentum, beta;
  std::int64_t step;  // from 1
};

struct DenseTensor {
  float* weights;
  const float* gradients;
  float* state1;  // momentum, accumulator or m; may be null where the rule needs none
  float* state2;  // v
  std::int64_t size;
};
// All dense parameters in one call. Nothing changes where norm->finite is 0.
void dense_update(DenseRule rule, const OptimizerStep* step, const GradientNorm* norm, const DenseTensor* tensors,
                  std::int32_t count);

// A table's rows hold [weights d | state1 | state2]: state1 at +d, state2 at +2d (rowwise_adagrad: one float at +d;
// ftrl: z, then n).
struct SparseTensor {
  float* table;
  std::int64_t row_stride;
  std::int64_t table_rows;
  std::int32_t width;
  const std::int32_t* rows;  // touched rows, rising
  const float* values;       // [*count, d]
  const std::int64_t* count;
  std::int64_t capacity;  // the most that *count can be
};
// Only touched rows change; adam_dense alone decays every row (rows without a gradient take g = 0). Nothing changes
// where norm->finite is 0.
void sparse_update(SparseRule rule, const OptimizerStep* step, const GradientNorm* norm, const SparseTensor* tensors,
                   std::int32_t count);
std::int32_t sparse_state_width(SparseRule rule, std::int32_t width, float momentum);  // floats of state a row

}  // namespace mal::kernels

// Every head's loss and its gradient. Conventions: kernels/kernels.h.
// CPU: cpu/loss.cpp
#pragma once

#include <cstdint>

namespace mal::kernels {

enum class HeadKind : std::int32_t { view, cartesian };
enum class Reduction : std::int32_t { mean, sum, weight_mean };

// A head is a group of columns of the logit block with one loss.
//   view: one logit ŷ; label l = 1 if c > 0 with weight w = c, else l = 0 with w = 1; w · BCE(σ(ŷ), l)  (MAL Eq. 1)
//   cartesian: 2^V logits; class Σ_k l_k 2^k over the head's views; softmax cross-entropy, weight 1 (MAL Alg. 1, §3.5)
// divided by B (mean), by 1 (sum), or by Σ w (weight_mean), times `scale` (λ). With weights s of the rows, every w is
// w · s / weight_mean, a cartesian head's too; then rows of weight 0 count for nothing, and where all weights of a
// batch are 0, so are losses and gradients.
struct LossHead {
  HeadKind kind;
  std::int32_t column;      // first column in the logit block
  std::int32_t view_count;  // 1 for a view
  std::int32_t views[12];   // columns of the credit block
  float scale;
};

// weights: null, or s of row r at weights[r · ldweights], ≥ 0; weight_mean > 0.
// logits[B, columns] credits[B, V] → dlogits[B, columns] (gradient of Σ_heads scale · loss), losses[heads] (each
// without its scale). Value and gradient in one pass over the block, from logits in log-sum-exp / softplus form.
// Columns of no head get gradient 0. Sums in fp64. Of no rows the losses are 0.
void multi_view_loss(const float* logits, std::int64_t ldlogits, const float* credits, std::int64_t ldcredits,
                     const float* weights, std::int64_t ldweights, double weight_mean, const LossHead* heads,
                     std::int32_t head_count, Reduction reduction, float* dlogits, std::int64_t lddlogits,
                     std::int64_t columns, double* losses, std::int64_t rows, double* workspace);
std::int64_t multi_view_loss_workspace(std::int64_t rows, std::int32_t head_count);  // in doubles

}  // namespace mal::kernels

// Gradients of several losses, combined over the parameters that more than one of them reaches, so that they do not
// pull against each other. The other parameters get the plain sum. Costs one backward pass a loss, and the host waits
// for their products in every step.
//   pcgrad  projecting conflicting gradients (Yu et al., NeurIPS'20): for each i, for each j ≠ i in a random order that
//   is
//           new at every step: if g_i · g_j < 0: g_i ← g_i − (g_i · g_j / ‖g_j‖²) g_j with the original g_j; their sum
//   gcs     gradient cosine similarity (after Du et al. 2018): g_1 + Σ_i max(0, cos(g_i, g_1)) g_i
#pragma once

#include <cstdint>
#include <vector>

#include "engine/graph.h"
#include "engine/parameters.h"

namespace mal {

enum class MultiTask { none, pcgrad, gcs };

// Weights w with Σ_i w_i g_i the combined gradient, from the dot products gram[i][j] = g_i · g_j. Every projection of
// pcgrad stays in the span of the g, so nothing else is needed. step (from 1) and seed choose pcgrad's orders.
std::vector<double> combination_weights(MultiTask kind, const std::vector<std::vector<double>>& gram,
                                        std::uint64_t seed, std::int64_t step);

class GradientSurgery {
 public:
  // logits: those of each loss, the primary one first. only: what ops::multi_view_loss was given. After
  // plan(Passes::repeatable).
  GradientSurgery(Graph& graph, Parameters& parameters, const std::vector<Value>& logits, std::int32_t& only,
                  MultiTask kind, std::uint64_t seed);

  // In place of graph.backward(rows): the combined gradients are where that would have put the sum.
  void backward(std::int64_t rows, std::int64_t step);

 private:
  struct Piece {  // the gradient of a dense parameter or of a table
    float* data;
    const SparseGradient* sparse;  // else null
    std::int64_t offset;           // in the copies
    bool shared;
    std::int64_t floats;  // that are there in this step
  };
  void add_piece(float* data, std::int64_t capacity, const SparseGradient* sparse, bool shared);
  void count_rows();
  std::vector<kernels::Span> shared_spans(std::size_t head) const;
  std::vector<std::vector<double>> gram() const;

  Graph& graph_;
  std::int32_t& only_;
  MultiTask kind_;
  std::uint64_t seed_;
  std::vector<Piece> pieces_;
  std::int64_t floats_ = 0;
  std::vector<Buffer> copies_;   // one a head
  Buffer products_, workspace_;  // doubles
};

}  // namespace mal

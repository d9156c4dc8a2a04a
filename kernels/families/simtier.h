// Histograms of similarity scores. Conventions: kernels/kernels.h.
// CPU: cpu/simtier.cpp
#pragma once

#include <cstdint>

namespace mal::kernels {

// SimTier (Sheng et al., CIKM'24). Tier of a score s: min(T − 1, ⌊(clamp(s, −1, 1) + 1) · T / 2⌋) in fp32.
// lengths may be null: all L positions are valid.
// counts: scores[B, L] lengths[B] → out[B, T], n_t or log(1 + n_t)
void simtier_count_forward(const float* scores, std::int64_t length, const std::int32_t* lengths, float* out,
                           std::int64_t ldout, std::int64_t rows, std::int64_t tiers, bool log1p);
// embedding: table[T, q] → out[B, T·q], out_t = log2(1 + n_t) · table_t; several columns of scores of one shape, each
// with a table and an output of its own.
struct SimTierForward {
  const float* scores;
  const std::int32_t* lengths;
  const float* table;
  float* out;
  std::int64_t ldout;
};
struct SimTierBackward {
  const float* scores;
  const std::int32_t* lengths;
  const float* dout;
  std::int64_t lddout;
  float* dtable;
};
void simtier_embedding_forward(const SimTierForward* calls, std::int32_t count, std::int64_t rows, std::int64_t length,
                               std::int64_t tiers, std::int64_t width);
void simtier_embedding_backward(const SimTierBackward* calls, std::int32_t count, std::int64_t rows,
                                std::int64_t length, std::int64_t tiers, std::int64_t width, float* workspace);
std::int64_t simtier_embedding_backward_workspace(std::int32_t count, std::int64_t rows, std::int64_t tiers,
                                                  std::int64_t width);

}  // namespace mal::kernels

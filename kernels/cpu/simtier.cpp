#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/scratch.h"
#include "kernels/kernels.h"

namespace mal::kernels {

namespace {

std::int64_t tier_of(float score, std::int64_t tiers) {
  const float clamped = std::clamp(score, -1.0F, 1.0F);
  const auto tier = static_cast<std::int64_t>((clamped + 1.0F) * static_cast<float>(tiers) / 2.0F);
  return std::min(tiers - 1, tier);
}

// n_t of one row into counts[T].
void count_tiers(const float* scores, std::int64_t length, const std::int32_t* lengths, std::int64_t row, float* counts,
                 std::int64_t tiers) {
  std::fill_n(counts, tiers, 0.0F);
  const std::int64_t valid = lengths == nullptr ? length : lengths[row];
  for (std::int64_t j = 0; j < valid; ++j) counts[tier_of(scores[row * length + j], tiers)] += 1.0F;
}

struct Counts;
struct Weights;

// log2(1 + n), 0 to a row's most scores: a call looks each up many times.
const float* weights_to(std::int64_t most) {
  float* const weights = thread_floats<Weights>(most + 1);
  for (std::int64_t n = 0; n <= most; ++n) weights[n] = std::log2(1.0F + static_cast<float>(n));
  return weights;
}

void forward_of(const SimTierForward& c, std::int64_t rows, std::int64_t length, std::int64_t tiers,
                std::int64_t width) {
  parallel_ranges(rows, kRowBlock, [&](std::int64_t first, std::int64_t last) {
    float* const counts = thread_floats<Counts>(tiers);
    const float *weights = weights_to(length), *table = c.table;
    for (std::int64_t r = first; r < last; ++r) {
      count_tiers(c.scores, length, c.lengths, r, counts, tiers);
      float* row = c.out + r * c.ldout;
      for (std::int64_t t = 0; t < tiers; ++t) {
        const float weight = weights[static_cast<std::int64_t>(counts[t])];
        for (std::int64_t q = 0; q < width; ++q) row[t * width + q] = weight * table[t * width + q];
      }
    }
  });
}

void backward_of(const SimTierBackward& c, std::int64_t rows, std::int64_t length, std::int64_t tiers,
                 std::int64_t width, float* workspace) {
  const std::int64_t size = tiers * width;
  parallel_ranges(rows, kRowBlock, [&](std::int64_t first, std::int64_t last) {
    float* const counts = thread_floats<Counts>(tiers);
    const float* weights = weights_to(length);
    float* partial = workspace + first / kRowBlock * size;
    std::fill_n(partial, size, 0.0F);
    for (std::int64_t r = first; r < last; ++r) {
      count_tiers(c.scores, length, c.lengths, r, counts, tiers);
      const float* dout = c.dout + r * c.lddout;
      // Of empty tiers too: a branch a tier would be mispredicted for each of them.
      for (std::int64_t t = 0; t < tiers; ++t) counts[t] = weights[static_cast<std::int64_t>(counts[t])];
      if (width == 1)
        for (std::int64_t t = 0; t < tiers; ++t) partial[t] += counts[t] * dout[t];
      else
        for (std::int64_t t = 0; t < tiers; ++t)
          for (std::int64_t q = 0; q < width; ++q) partial[t * width + q] += counts[t] * dout[t * width + q];
    }
  });
  std::fill_n(c.dtable, size, 0.0F);
  for (std::int64_t block = 0; block < (rows + kRowBlock - 1) / kRowBlock; ++block)
    for (std::int64_t i = 0; i < size; ++i) c.dtable[i] += workspace[block * size + i];
}

}  // namespace

void simtier_count_forward(const float* scores, std::int64_t length, const std::int32_t* lengths, float* out,
                           std::int64_t ldout, std::int64_t rows, std::int64_t tiers, bool log1p) {
  parallel_ranges(rows, kRowBlock, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t r = first; r < last; ++r) {
      float* counts = out + r * ldout;
      count_tiers(scores, length, lengths, r, counts, tiers);
      if (log1p)
        for (std::int64_t t = 0; t < tiers; ++t) counts[t] = std::log1p(counts[t]);
    }
  });
}

void simtier_embedding_forward(const SimTierForward* calls, std::int32_t count, std::int64_t rows, std::int64_t length,
                               std::int64_t tiers, std::int64_t width) {
  for (std::int32_t i = 0; i < count; ++i) forward_of(calls[i], rows, length, tiers, width);
}

void simtier_embedding_backward(const SimTierBackward* calls, std::int32_t count, std::int64_t rows,
                                std::int64_t length, std::int64_t tiers, std::int64_t width, float* workspace) {
  for (std::int32_t i = 0; i < count; ++i) backward_of(calls[i], rows, length, tiers, width, workspace);
}

std::int64_t simtier_embedding_backward_workspace(std::int32_t, std::int64_t rows, std::int64_t tiers,
                                                  std::int64_t width) {
  return (rows + kRowBlock - 1) / kRowBlock * tiers * width;
}

}  // namespace mal::kernels

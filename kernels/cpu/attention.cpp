// DIN's target attention, forward. din.h has the hidden layer; what is left is its reduction to scores, a softmax if
// any, and the weighted sum.
#include <algorithm>
#include <cstdint>

#include "kernels/cpu/din.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/softmax.h"
#include "kernels/kernels.h"

namespace mal::kernels {

namespace {

using din::Hidden;
using din::kTargets;
using din::Signs;
using din::Sizes;

// Σ_j scores[j] e_j: four sums, of every fourth position each, and their sum.
void weighted_sum(const Sizes& n, const Rows& e, const float* scores, std::int64_t valid, float* out) {
  for (std::int64_t i = 0; i < n.wide; i += kLanes) {
    Vector sums[4] = {};
    std::int64_t j = 0;
    for (; j + 4 <= valid; j += 4)
      for (std::int64_t q = 0; q < 4; ++q) sums[q] += scores[j + q] * load(e.data + (j + q) * e.stride + i);
    for (std::int64_t q = 0; j + q < valid; ++q) sums[q] += scores[j + q] * load(e.data + (j + q) * e.stride + i);
    store_first(out + i, (sums[0] + sums[1]) + (sums[2] + sums[3]), std::clamp<std::int64_t>(n.width - i, 0, kLanes));
  }
}

void forward_rows(const DinShape& shape, const Sizes& n, const Hidden& f, const DinForward& c, std::int64_t first,
                  std::int64_t last) {
  thread_local Scratch scratch;
  scratch.reset(n.width * n.columns + kTargets * n.columns + n.positions * (kGranule + n.wide + 1));
  float *m = scratch.take(n.width * n.columns), *targets = scratch.take(kTargets * n.columns),
        *z = scratch.take(n.positions * kGranule), *room = scratch.take(n.positions * n.wide),
        *scores = scratch.take(n.positions);
  for (std::int64_t r = first; r < last; ++r) {
    const std::int64_t at = (r - first) % kTargets, valid = c.lengths[r];
    const float* target = c.target + r * c.ldtarget;
    if (at == 0) fold_targets(n, f, {target, c.ldtarget}, std::min(kTargets, last - r), targets);
    float *row_scores = c.scores + r * n.length, *out = c.out + r * c.ldout;
    if (valid > 0) {
      const Rows e = whole_vectors(n.width, n.wide, c.sequence + r * c.ldsequence, valid, room);
      fold_matrix(n, f, target, m);
      if (c.kept == nullptr) {
        din::hidden_layer<true, false>(n, f, e, valid, m, targets + at * n.columns, z, nullptr);
      } else {
        Signs* const kept = reinterpret_cast<Signs*>(c.kept) + r * signs_of_row(n);
        din::hidden_layer<true, true>(n, f, e, valid, m, targets + at * n.columns, z, kept);
      }
      sum_rows(z, valid, scores);
      for (std::int64_t j = 0; j < padded(valid); ++j) scores[j] += c.parameters.b2[0];
      if (shape.softmax) softmax(scores, valid);
      copy_exactly(scores, valid, row_scores);
      weighted_sum(n, e, scores, valid, out);
    } else {
      std::fill_n(out, n.width, 0.0F);
    }
    for (std::int64_t j = valid; j < n.length; ++j) row_scores[j] = 0;
  }
}

}  // namespace

// Two signs a float; a row has whole floats of them.
std::int64_t din_kept(const DinShape& shape) {
  return signs_of_row(Sizes(shape)) / 2;
}

void din_forward(const DinShape& shape, const DinForward* calls, std::int32_t count) {
  thread_local Scratch scratch;
  const Sizes n(shape);
  for (std::int32_t i = 0; i < count; ++i) {
    scratch.reset(Hidden::floats(n));
    const Hidden hidden(n, calls[i].parameters, scratch);
    parallel_ranges(shape.rows, kRowBlock, [&](std::int64_t first, std::int64_t last) {
      forward_rows(shape, n, hidden, calls[i], first, last);
    });
  }
}

}  // namespace mal::kernels

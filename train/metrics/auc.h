// Area under the ROC curve: exact, weighted, ties count half.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "train/metrics/sample.h"

namespace mal {

// Row numbers by ascending logit, equal logits by row; −0 and +0 are equal. Logits must not be NaN; at most 2³² − 1
// rows.
std::vector<std::uint32_t> order_by_logit(std::span<const float> logits);

// Σ_{i positive, j negative} w_i w_j ([s_i > s_j] + ½ [s_i = s_j]) / (Σ_i w_i · Σ_j w_j) over the rows of `order`,
// which is ascending in logits. Labels and weights from the credits and the rows (sample.h). Nothing where a class is
// missing or weighs nothing. O(n).
std::optional<double> weighted_auc(std::span<const float> logits, std::span<const float> credits,
                                   std::span<const std::uint32_t> order, const RowWeights& weights = {});

}  // namespace mal

// AUC inside each user, averaged over users.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "train/metrics/sample.h"

namespace mal {

// AUC_u is the weighted AUC (auc.h) of user u's rows. Only users whose rows hold both classes take part. The three
// averages differ on the same scores, even in sign of a difference, so each keeps its name (docs/metrics.md).
struct GroupedAuc {
  std::optional<double> by_clicks;     // Σ_u rows(u) · AUC_u / Σ_u rows(u): the definition of the paper. Rows and
                                       // positives of weight s count s times
  std::optional<double> mean;          // plain mean of AUC_u
  std::optional<double> by_positives;  // Σ_u positives(u) · AUC_u / Σ_u positives(u)
  std::int64_t users = 0;              // that take part
  std::int64_t all_users = 0;
};

// groups: the user of each row. order: all rows by ascending logit.
GroupedAuc grouped_auc(std::span<const float> logits, std::span<const float> credits,
                       std::span<const std::int64_t> groups, std::span<const std::uint32_t> order,
                       const RowWeights& weights = {});

}  // namespace mal

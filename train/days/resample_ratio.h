// Metrics that are ratios of sums over rows, LogLoss and PCOC, on the draws of the bootstrap.
#pragma once

#include <span>
#include <vector>

#include "train/experiment/bootstrap.h"

namespace mal {

struct ResampledCalibration {
  std::vector<double> logloss, pcoc;  // as docs/metrics.md defines them; NaN where a draw has no positive, or no weight
};

// Arguments as of resample_metrics(). O(rows + users · resamples).
ResampledCalibration resample_calibration(std::span<const float> logits, std::span<const float> credits,
                                          std::span<const std::uint32_t> users, const UserResamples& resamples,
                                          const RowWeights& weights = {});

}  // namespace mal

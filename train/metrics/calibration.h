// Are the probabilities right on average, and in every range of them?
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "train/metrics/sample.h"

namespace mal {

// One range of predictions. Means are weighted by w (sample.h).
struct ReliabilityBin {
  std::int64_t rows = 0, positives = 0;
  double weight = 0;               // Σ w
  double predicted = 0;            // Σ w p / Σ w
  double observed = 0;             // Σ w l / Σ w
  double lowest = 0, highest = 0;  // prediction
};

struct Calibration {
  std::optional<double> logloss;      // Σ w · BCE(σ(ŷ), l) / Σ w, from logits
  std::optional<double> pcoc;         // Σ w p / Σ w l: what the weighted loss drives to 1
  std::optional<double> pcoc_credit;  // Σ s p / Σ s c: predicted against credited conversions
  std::optional<double> ece;          // Σ_b weight_b · |predicted_b − observed_b| / Σ_b weight_b
  std::vector<ReliabilityBin> bins;   // by ascending prediction; never empty ones
};

// bins: of equal mass Σ w. Rows of equal logits share the bin of the middle of their mass, so the result does not
// depend on the order of the rows, and there can be fewer bins than asked for.
Calibration calibration(std::span<const float> logits, std::span<const float> credits,
                        std::span<const std::uint32_t> order, int bins, const RowWeights& weights = {});

}  // namespace mal

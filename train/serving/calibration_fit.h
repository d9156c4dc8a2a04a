// From scores and outcomes of held-out rows to a curve that turns a logit into a calibrated probability.
#pragma once

#include <span>
#include <vector>

#include "train/metrics/sample.h"

namespace mal {

struct IsotonicCurve {
  std::vector<float> x, y;  // rising logits, and their probabilities; linear between them, constant outside
};

// The rising step function nearest to the labels (weighted least squares: pool adjacent violators, Ayer et al. 1955),
// as a curve through the steps' mean logits; at most max_knots of them. Labels and weights from the credits (sample.h).
// Probabilities are kept in [1e-6, 1 - 1e-6]: a step without a positive is rare, not impossible. Error on no rows.
IsotonicCurve fit_isotonic(std::span<const float> logits, std::span<const float> credits, std::size_t max_knots = 512,
                           const RowWeights& weights = {});

struct PlattLine {
  float slope = 1, shift = 0;  // p = σ(slope · logit + shift), slope ≥ 0
};

// Weighted logistic regression on the logit alone (Platt 1999), by Newton's method. Error unless both classes are
// there.
PlattLine fit_platt(std::span<const float> logits, std::span<const float> credits, const RowWeights& weights = {});

}  // namespace mal

// Logistic regression on 0/1 features with a ridge: the minimum of
//   L(b, β) = Σ_rows n log(1 + e^m) − k m + λ/2 Σ β_c² + 10⁻⁶/2 b²,   m = b + Σ_{c in the row} β_c
// n trials and k successes a row. L is strictly convex, so the minimum is one.
//
// Newton's method with backtracking; each step by conjugate gradients, preconditioned with the diagonal. Channels that
// nearly add up to 1 in every row make L flat along (b, −β): its curvature is that of the ridge alone, a millionth of
// the others. Coordinate descent takes millions of sweeps along such a valley.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace mal {

struct LogisticRow {
  std::span<const std::uint32_t> features;  // ascending, each below the number of features
  double trials = 0, successes = 0;
};

struct LogisticCoefficients {
  double intercept = 0;
  std::vector<double> features;
};

// Converged: no coefficient is further than about 1e-8 from the minimum. Rows without trials say nothing. A feature
// of every row, or of none, cannot be told from the intercept: 0.
LogisticCoefficients fit_ridge_logistic(std::span<const LogisticRow> rows, std::uint32_t features, double ridge);

}  // namespace mal

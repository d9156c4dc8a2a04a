// The data-driven credit: Shapley values of channels over observed coalition conversion rates.
//
// The game. A coalition S is a set of channels; n(S) journeys touched exactly the channels of S, c(S) of them
// converted.
//   v(∅) = 0,   v(S) = (c(S) + m·p(S)) / (n(S) + m)
// p(S), the prior, is the mean of v({i}) over i ∈ S: a coalition hardly ever seen is worth what its channels are worth
// alone, on average. It weighs m = `prior_journeys` journeys, so that the chances of a rare coalition do not decide.
// For a single channel the prior is the conversion rate of all journeys, and m is `single_prior_journeys`.
//   φ_i = Σ_{S ∌ i} |S|! (N−|S|−1)! / N! · (v(S ∪ {i}) − v(S))                              (Shapley, 1953)
// Observed rates after Zhao, Mahboobi, Bagheri, "Shapley value methods for attribution modeling in online advertising",
// 2018. A channel whose company lowers the rate of the others gets φ ≤ 0: its clicks then get no credit.
#pragma once

#include <cstdint>
#include <vector>

#include "train/attribution/coalitions.h"

namespace mal {

struct ShapleyOptions {
  std::uint32_t exact_channels = 12;  // more channels than this: sampled
  std::uint32_t permutations = 4000;  // sampled: orders drawn, each used forwards and backwards
  double prior_journeys = 500;        // m of two channels and more
  double single_prior_journeys = 20;  // m of one
  std::uint64_t seed = 1;
};

struct ShapleyFit {
  std::vector<double> values;  // φ, one a channel; may be negative
  bool exact = true;
};

ShapleyFit fit_shapley(const CoalitionTable& table, const ShapleyOptions& options = {});

}  // namespace mal

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
#include <span>
#include <unordered_map>
#include <vector>

namespace mal {

struct CoalitionCount {
  std::uint64_t journeys = 0;
  std::uint64_t conversions = 0;
};

// Journeys by the set of channels they touch.
class CoalitionTable {
 public:
  explicit CoalitionTable(std::uint32_t channels) : single_(channels) {}

  void add(std::span<const std::uint32_t> journey_channels, bool converted);  // any order, repeats allowed

  std::uint32_t channels() const { return static_cast<std::uint32_t>(single_.size()); }
  const CoalitionCount& total() const { return total_; }
  const std::vector<CoalitionCount>& singles() const { return single_; }  // journeys of one channel only
  std::size_t coalitions() const { return counts_.size(); }

  // A coalition's name is the xor of its channels' hashes, so that adding a channel costs one xor.
  static std::uint64_t channel_hash(std::uint32_t channel);
  CoalitionCount count(std::uint64_t coalition) const;

 private:
  std::unordered_map<std::uint64_t, CoalitionCount> counts_;
  std::vector<CoalitionCount> single_;
  CoalitionCount total_;
  std::vector<std::uint32_t> scratch_;
};

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

// Marginal effects of channels in a bagged logistic regression: the credit of the mechanism `logistic`.
//
// A journey is a row: x_c = 1 if it touched channel c, y = 1 if it converted. Each bag fits a logistic regression with
// a weak ridge to a random half of the journeys and, where there are more than kFewChannels, to a random half of the
// channels (bags come in pairs whose channels complement each other); the coefficients are averaged, those of a channel
// over the bags that had it. A channel of every journey of a bag counts as 0 there: nothing is without it. Bagging
// after Shao and Li, "Data-driven multi-touch attribution models", KDD 2011. The value of a channel is its average
// marginal effect: the mean, over the journeys that touched it, of the probability to convert minus that without the
// channel.
//
// In a half, a journey that the bag has no channel of is the base line, so a coefficient says what a channel adds to
// the ones left out, not what it adds to nothing: of two channels that both help, the weaker one came out below 0.
// Where there are two or three, a half is mostly a single channel, so there every bag has all of them. In simulated
// logs whose channels all help, credit is nearer the truth with all channels in every bag up to 3. From 4 on that
// depends on the world: it is nearer with all where effects multiply the odds, with halves where they add up.
#pragma once

#include <cstdint>
#include <vector>

#include "train/attribution/coalitions.h"
#include "train/attribution/ridge_logistic.h"

namespace mal {

struct LogisticOptions {
  std::uint64_t seed = 1;
  double ridge = 1;  // λ of λ/2 · Σ β², beside a sum over journeys
};

class BaggedLogistic {
 public:
  static constexpr std::size_t kBags = 32;
  static constexpr std::uint32_t kFewChannels = 3;

  explicit BaggedLogistic(const CoalitionTable& table, const LogisticOptions& options = {});
  std::vector<double> marginal_effects() const;  // one a channel; may be negative

 private:
  struct Counts {
    double journeys = 0, conversions = 0;
  };
  // All journeys that touched the same channels: every fit sees them as one row with a weight.
  struct Pattern {
    std::vector<std::uint32_t> channels;
    Counts all;
    Counts bags[kBags];
  };
  LogisticCoefficients fit(std::size_t bag, const std::vector<bool>& used) const;
  LogisticCoefficients average() const;

  std::uint32_t channels_;
  LogisticOptions options_;
  std::vector<Pattern> patterns_;  // in the order of their channels: sums have an order of their own, too
};

}  // namespace mal

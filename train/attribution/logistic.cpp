#include "train/attribution/logistic.h"

#include <algorithm>
#include <cmath>

#include "engine/random.h"

namespace mal {

namespace {

constexpr int kMaxSweeps = 200;
constexpr double kSmallStep = 1e-7;
constexpr std::uint64_t kConvertedMark = 0x9E3779B97F4A7C15;

double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}

}  // namespace

BaggedLogistic::BaggedLogistic(const CoalitionTable& table, const LogisticOptions& options)
    : channels_(table.channels()), options_(options) {
  const Random bag_of(options.seed, "attribution: journeys of the bags");
  for (const Coalition& coalition : table.coalitions()) {
    const auto members = table.members(coalition);
    Pattern& pattern = patterns_.emplace_back();
    pattern.channels.assign(members.begin(), members.end());
    const auto [journeys, conversions] = coalition.count;
    pattern.all = {static_cast<double>(journeys), static_cast<double>(conversions)};
    // Journeys of one pattern and outcome are alike, so which of them are in a bag may depend on their number alone:
    // the order in which journeys come, and the parts that they come in, decide nothing.
    for (const bool converted : {false, true}) {
      const std::uint64_t first = coalition.hash ^ (converted ? kConvertedMark : 0);
      const std::uint64_t alike = converted ? conversions : journeys - conversions;
      for (std::uint64_t k = 0; k < alike; ++k) {
        const std::uint64_t bits = bag_of.bits(first + k);
        for (std::size_t bag = 0; bag < kBags; ++bag) {
          const auto drawn = static_cast<double>(bits >> bag & 1U);
          pattern.bags[bag].journeys += drawn;
          pattern.bags[bag].conversions += converted ? drawn : 0;
        }
      }
    }
  }
  std::ranges::sort(patterns_, {}, &Pattern::channels);
}

// Newton's step for one coefficient after the other, inside a trust region that grows and shrinks with its steps
// (Genkin, Lewis, Madigan, "Large-scale Bayesian logistic regression for text categorization", 2007).
BaggedLogistic::Coefficients BaggedLogistic::fit(std::size_t bag, const std::vector<bool>& used,
                                                 const std::vector<std::vector<std::uint32_t>>& patterns_of) const {
  Coefficients beta{0, std::vector<double>(channels_, 0.0)};
  std::vector<double> margin(patterns_.size(), 0.0), trust(channels_ + 1, 1.0);
  const auto step = [&](double& coefficient, double ridge, double& region, const auto& each_pattern) {
    double gradient = -ridge * coefficient, curvature = ridge;
    each_pattern([&](std::size_t p) {
      const Counts& counts = patterns_[p].bags[bag];
      const double rate = sigmoid(margin[p]);
      gradient += counts.conversions - counts.journeys * rate;
      curvature += counts.journeys * rate * (1 - rate);
    });
    if (curvature < 1e-12) return 0.0;
    const double by = std::clamp(gradient / curvature, -region, region);
    region = std::max(2 * std::abs(by), region / 2);
    coefficient += by;
    each_pattern([&](std::size_t p) { margin[p] += by; });
    return std::abs(by);
  };
  for (int sweep = 0; sweep < kMaxSweeps; ++sweep) {
    double largest = step(beta.intercept, 1e-6, trust.back(), [&](const auto& visit) {
      for (std::size_t p = 0; p < patterns_.size(); ++p) visit(p);
    });
    for (std::size_t c = 0; c < channels_; ++c)
      if (used[c])
        largest = std::max(largest, step(beta.channels[c], options_.ridge, trust[c], [&](const auto& visit) {
                             for (const std::uint32_t p : patterns_of[c]) visit(p);
                           }));
    if (largest < kSmallStep) break;
  }
  return beta;
}

BaggedLogistic::Coefficients BaggedLogistic::average() const {
  std::vector<std::vector<std::uint32_t>> patterns_of(channels_);
  for (std::uint32_t p = 0; p < patterns_.size(); ++p)
    for (const std::uint32_t channel : patterns_[p].channels) patterns_of[channel].push_back(p);
  const Random half(options_.seed, "attribution: channels of the bags");
  const bool all = channels_ <= kFewChannels;
  Coefficients mean{0, std::vector<double>(channels_, 0.0)};
  for (std::size_t bag = 0; bag < kBags; ++bag) {
    std::vector<bool> used(channels_);
    for (std::size_t c = 0; c < channels_; ++c) used[c] = all || (half.bits((bag / 2) * channels_ + c) & 1U) == bag % 2;
    const Coefficients beta = fit(bag, used, patterns_of);
    mean.intercept += beta.intercept / kBags;
    const double bags_of_channel = all ? kBags : kBags / 2;
    for (std::size_t c = 0; c < channels_; ++c) mean.channels[c] += beta.channels[c] / bags_of_channel;
  }
  return mean;
}

std::vector<double> BaggedLogistic::marginal_effects() const {
  const Coefficients beta = average();
  std::vector<double> effects(channels_, 0.0), journeys(channels_, 0.0);
  for (const Pattern& pattern : patterns_) {
    double margin = beta.intercept;
    for (const std::uint32_t channel : pattern.channels) margin += beta.channels[channel];
    for (const std::uint32_t channel : pattern.channels) {
      effects[channel] += pattern.all.journeys * (sigmoid(margin) - sigmoid(margin - beta.channels[channel]));
      journeys[channel] += pattern.all.journeys;
    }
  }
  for (std::size_t c = 0; c < channels_; ++c)
    if (journeys[c] > 0) effects[c] /= journeys[c];
  return effects;
}

}  // namespace mal

#include "train/attribution/logistic.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <span>

#include "engine/random.h"

namespace mal {

namespace {

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

LogisticCoefficients BaggedLogistic::fit(std::size_t bag, const std::vector<bool>& used) const {
  std::vector<std::uint32_t> features;
  for (const Pattern& pattern : patterns_)
    std::ranges::copy_if(pattern.channels, std::back_inserter(features), [&](std::uint32_t c) { return used[c]; });
  std::vector<LogisticRow> rows;
  rows.reserve(patterns_.size());
  std::size_t next = 0;
  for (const Pattern& pattern : patterns_) {
    const auto size =
        static_cast<std::size_t>(std::ranges::count_if(pattern.channels, [&](std::uint32_t c) { return used[c]; }));
    const Counts& counts = pattern.bags[bag];
    rows.push_back({std::span(features).subspan(next, size), counts.journeys, counts.conversions});
    next += size;
  }
  return fit_ridge_logistic(rows, channels_, options_.ridge);
}

LogisticCoefficients BaggedLogistic::average() const {
  const Random half(options_.seed, "attribution: channels of the bags");
  const bool all = channels_ <= kFewChannels;
  LogisticCoefficients mean{0, std::vector<double>(channels_, 0.0)};
  for (std::size_t bag = 0; bag < kBags; ++bag) {
    std::vector<bool> used(channels_);
    for (std::size_t c = 0; c < channels_; ++c) used[c] = all || (half.bits((bag / 2) * channels_ + c) & 1U) == bag % 2;
    const LogisticCoefficients beta = fit(bag, used);
    mean.intercept += beta.intercept / kBags;
    const double bags_of_channel = all ? kBags : kBags / 2;
    for (std::size_t c = 0; c < channels_; ++c) mean.features[c] += beta.features[c] / bags_of_channel;
  }
  return mean;
}

std::vector<double> BaggedLogistic::marginal_effects() const {
  const LogisticCoefficients beta = average();
  std::vector<double> effects(channels_, 0.0), journeys(channels_, 0.0);
  for (const Pattern& pattern : patterns_) {
    double margin = beta.intercept;
    for (const std::uint32_t channel : pattern.channels) margin += beta.features[channel];
    for (const std::uint32_t channel : pattern.channels) {
      effects[channel] += pattern.all.journeys * (sigmoid(margin) - sigmoid(margin - beta.features[channel]));
      journeys[channel] += pattern.all.journeys;
    }
  }
  for (std::size_t c = 0; c < channels_; ++c)
    if (journeys[c] > 0) effects[c] /= journeys[c];
  return effects;
}

}  // namespace mal

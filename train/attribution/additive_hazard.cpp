#include "train/attribution/additive_hazard.h"

#include <algorithm>
#include <cmath>

#include "train/data/time_text.h"

namespace mal {

namespace {

constexpr int kMostRounds = 2000;
constexpr double kSmallStep = 1e-9;    // relative
constexpr double kShortestDelay = 1;   // seconds
constexpr double kLongestDelay = 100;  // times the longest exposure

double seconds(std::int64_t microseconds) {
  return static_cast<double>(microseconds) / double{kSecond};
}

// What one pass over the sample adds up.
struct Sums {
  std::vector<double> brought;   // Σ p_k, by channel
  double brought_delay = 0;      // Σ p_k Δ_k
  std::vector<double> exposure;  // Σ exp(−e_k/τ), by channel
  double coming = 0, coming_delay = 0;
  double log_likelihood = 0;
};

class Fit {
 public:
  Fit(const HazardSample& sample, std::uint32_t channels) : sample_(sample), clicks_(channels, 0.0) {
    double all = 0, longest = 0;
    for (const Exposure& exposure : sample.exposures) {
      clicks_[exposure.channel] += exposure.clicks;
      all += exposure.clicks;
      longest = std::max(longest, exposure.seconds);
    }
    double delays = 0;
    for (const AgedClick& touch : sample.touches) delays += seconds(touch.age);
    prior_ = sample.weight * static_cast<double>(sample.ends.size()) / std::max(all, 1.0);
    longest_ = std::max(2 * kShortestDelay, kLongestDelay * longest);
    model_.effects.assign(channels, prior_);
    model_.delay_seconds = clamped(delays / static_cast<double>(std::max<std::size_t>(1, sample.touches.size())));
  }

  AdditiveHazard run() {
    if (sample_.ends.empty()) return model_;
    for (int round = 0; round < kMostRounds && step() > kSmallStep; ++round) {
    }
    return model_;
  }

 private:
  double clamped(double delay) const { return std::clamp(delay, kShortestDelay, longest_); }

  // One round; returns the largest relative change.
  double step() {
    const Sums sums = add_up();
    model_.log_likelihood.push_back(sums.log_likelihood);
    double brought = 0;
    for (const double of_channel : sums.brought) brought += of_channel;
    const double delay = clamped((sums.brought_delay + sums.coming_delay) / (brought + sums.coming));
    double change = std::abs(delay / model_.delay_seconds - 1);
    model_.delay_seconds = delay;
    std::vector<double> seen = clicks_;  // Σ (1 − exp(−e/τ)) with the new τ
    for (const Exposure& exposure : sample_.exposures)
      seen[exposure.channel] -= exposure.clicks * std::exp(-exposure.seconds / delay);
    for (std::size_t c = 0; c < model_.effects.size(); ++c) {
      const double effect = (sums.brought[c] + prior_) / (std::max(0.0, seen[c]) + 1);
      change = std::max(change, std::abs(effect / model_.effects[c] - 1));
      model_.effects[c] = effect;
    }
    return change;
  }

  Sums add_up() {
    Sums sums;
    sums.brought.assign(model_.effects.size(), 0.0);
    const double delay = model_.delay_seconds;
    std::size_t begin = 0;
    for (const std::size_t end : sample_.ends) {
      add_conversion(std::span(sample_.touches).subspan(begin, end - begin), sums);
      begin = end;
    }
    for (const Exposure& exposure : sample_.exposures) {
      const double effect = model_.effects[exposure.channel];
      const double left = effect * exposure.clicks * std::exp(-exposure.seconds / delay);
      sums.coming += left;
      sums.coming_delay += left * (exposure.seconds + delay);
      sums.log_likelihood -= effect * exposure.clicks - left;
    }
    for (const double effect : model_.effects) sums.log_likelihood += prior_ * std::log(effect) - effect;
    return sums;
  }

  void add_conversion(std::span<const AgedClick> touches, Sums& sums) {
    // Relative to the last touch, so that nothing underflows to a hazard of 0.
    const double last = seconds(touches.back().age), delay = model_.delay_seconds;
    shares_.clear();
    double sum = 0;
    for (const AgedClick& touch : touches) {
      shares_.push_back(model_.effects[touch.channel] * std::exp((last - seconds(touch.age)) / delay));
      sum += shares_.back();
    }
    sums.log_likelihood += sample_.weight * (std::log(sum / delay) - last / delay);
    for (std::size_t k = 0; k < touches.size(); ++k) {
      const double share = sample_.weight * shares_[k] / sum;
      sums.brought[touches[k].channel] += share;
      sums.brought_delay += share * seconds(touches[k].age);
    }
  }

  const HazardSample& sample_;
  std::vector<double> clicks_;  // by channel
  double prior_ = 0, longest_ = 0;
  AdditiveHazard model_;
  std::vector<double> shares_;  // scratch
};

}  // namespace

AdditiveHazard fit_additive_hazard(const HazardSample& sample, std::uint32_t channels) {
  return Fit(sample, channels).run();
}

void credit_by_hazard(const Journey& journey, std::span<const double> effects, double delay_seconds,
                      std::span<double> credits) {
  // Measured from the last click that has an effect: its weight is not 0, however short the delay.
  std::size_t last = credits.size();
  while (last > 0 && effects[journey.channels[last - 1]] <= 0) --last;
  if (last == 0) {
    std::ranges::fill(credits, 1.0 / static_cast<double>(credits.size()));
    return;
  }
  double sum = 0;
  for (std::size_t k = 0; k < credits.size(); ++k) {
    const double effect = std::max(0.0, effects[journey.channels[k]]);
    const double since = seconds(journey.times[last - 1] - journey.times[k]);
    credits[k] = effect > 0 ? effect * std::exp(-since / delay_seconds) : 0;
    sum += credits[k];
  }
  for (double& credit : credits) credit /= sum;
}

}  // namespace mal

#include "train/attribution/order_choice.h"

#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace mal {

namespace {

constexpr std::uint64_t kMostDealt = 10000;  // one by one; more are drawn at once

std::uint64_t sum_of(const OrderChoice::Counts& counts) {
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

// About normal, of mean 0 and variance 1: the sum of twelve uniform numbers. The same bits on every machine.
double normal(std::uint64_t number, std::uint64_t hash) {
  double sum = -6;
  for (std::uint64_t k = 0; k < 12; ++k) {
    const std::uint64_t key = 12 * number + k;
    sum += std::ldexp(static_cast<double>(XXH3_64bits_withSeed(&key, sizeof key, hash)), -64);
  }
  return sum;
}

// What falls to each fold of so many journeys that their binomial numbers are about normal. An even deal would not do:
// folds alike tell of each other what is chance in the journeys, and the highest order wins.
OrderChoice::Counts drawn(std::uint64_t count, std::uint64_t hash) {
  OrderChoice::Counts counts = {};
  std::uint64_t left = count;
  for (std::size_t f = 0; f + 1 < OrderChoice::kFolds; ++f) {
    const double share = 1.0 / static_cast<double>(OrderChoice::kFolds - f), all = static_cast<double>(left);
    const double number = std::round(all * share + std::sqrt(all * share * (1 - share)) * normal(f, hash));
    counts[f] = std::min(left, static_cast<std::uint64_t>(std::max(0.0, number)));
    left -= counts[f];
  }
  counts.back() = left;
  return counts;
}

struct Scored {
  double score;
  std::uint64_t conversions, nulls;
};

// The share of pairs of a conversion and a null that are in the right order, a tie counting half. Negative where there
// are no pairs. The sums are whole numbers: the order of equal scores does not matter.
double auc(std::vector<Scored> scored) {
  std::ranges::sort(scored, {}, &Scored::score);
  double pairs = 0, conversions = 0, nulls = 0;
  for (std::size_t begin = 0, end = 0; begin < scored.size(); begin = end) {
    double tied_conversions = 0, tied_nulls = 0;
    for (; end < scored.size() && scored[end].score == scored[begin].score; ++end) {
      tied_conversions += static_cast<double>(scored[end].conversions);
      tied_nulls += static_cast<double>(scored[end].nulls);
    }
    pairs += tied_conversions * (nulls + tied_nulls / 2);
    conversions += tied_conversions;
    nulls += tied_nulls;
  }
  return conversions > 0 && nulls > 0 ? pairs / conversions / nulls : -1;
}

OrderScore score_of(const std::array<std::vector<Scored>, OrderChoice::kFolds>& folds) {
  std::vector<double> aucs;
  for (const std::vector<Scored>& fold : folds)
    if (const double value = auc(fold); value >= 0) aucs.push_back(value);
  OrderScore score;
  if (aucs.empty()) return score;
  const auto n = static_cast<double>(aucs.size());
  score.auc = std::accumulate(aucs.begin(), aucs.end(), 0.0) / n;
  double squares = 0;
  for (const double value : aucs) squares += (value - score.auc) * (value - score.auc);
  if (n > 1) score.standard_error = std::sqrt(squares / (n - 1) / n);
  return score;
}

}  // namespace

std::uint64_t OrderChoice::channel_key(std::string_view name) {
  return XXH3_64bits(name.data(), name.size());
}

OrderChoice::Counts OrderChoice::dealt(std::uint64_t count, std::uint64_t hash) {
  if (count > kMostDealt) return drawn(count, hash);
  Counts counts = {};
  for (std::uint64_t journey = 0; journey < count; ++journey)
    ++counts[XXH3_64bits_withSeed(&journey, sizeof journey, hash) % kFolds];
  return counts;
}

std::uint64_t OrderChoice::journey_hash(std::span<const std::uint64_t> keys, bool converted) {
  return XXH3_64bits_withSeed(keys.data(), keys.size_bytes(), converted ? 1 : 2);
}

void OrderChoice::add(std::span<const std::uint64_t> keys, const Counts& conversions, const Counts& nulls) {
  std::uint64_t shorter = 0;
  for (std::size_t k = 0; k < orders_.size(); ++k) {
    const auto channels = keys.last(std::min(k, keys.size()));
    const std::uint64_t key = XXH3_64bits(channels.data(), channels.size_bytes());
    State& state = orders_[k][key];
    for (std::size_t f = 0; f < kFolds; ++f) {
      state.conversions[f] += conversions[f];
      state.nulls[f] += nulls[f];
    }
    state.shorter = shorter;
    shorter = key;
  }
}

std::vector<OrderScore> OrderChoice::scores() const {
  std::vector<OrderScore> scores;
  Rates shorter;
  for (std::size_t k = 0; k < orders_.size(); ++k) {
    Rates rates;
    std::array<std::vector<Scored>, kFolds> folds;
    for (const auto& [key, state] : orders_[k]) {
      const std::uint64_t conversions = sum_of(state.conversions), journeys = conversions + sum_of(state.nulls);
      auto& rate = rates[key];
      for (std::size_t f = 0; f < kFolds; ++f) {
        const auto seen = static_cast<double>(journeys - state.conversions[f] - state.nulls[f]);
        const double before = k == 0 ? 0.5 : shorter.at(state.shorter)[f];
        rate[f] = (static_cast<double>(conversions - state.conversions[f]) + before) / (seen + 1);
        if (state.conversions[f] + state.nulls[f] > 0)
          folds[f].push_back({rate[f], state.conversions[f], state.nulls[f]});
      }
    }
    if (k > 0) {
      OrderScore score = score_of(folds);
      score.order = static_cast<std::uint32_t>(k);
      score.states = orders_[k].size();
      scores.push_back(score);
    }
    shorter = std::move(rates);
  }
  return scores;
}

std::uint32_t OrderChoice::best(const std::vector<OrderScore>& scores) {
  const OrderScore& largest = *std::ranges::max_element(scores, {}, &OrderScore::auc);
  return std::ranges::find_if(
             scores, [&](const OrderScore& score) { return score.auc >= largest.auc - largest.standard_error; })
      ->order;
}

}  // namespace mal

#include "train/attribution/neural_credit.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

#include "engine/random.h"

namespace mal {

namespace {

constexpr std::size_t kMostKnown = 100'000;  // journeys, about 150 bytes each

}  // namespace

void NeuralCredit::credit(const Journey& journey, std::span<double> credits) {
  clicks_.clear();
  places_.clear();
  const auto channel = [&](std::size_t place) { return number_[journey.channels[place]]; };
  for (std::size_t k = credits.size(); k-- > 0;) {
    if (channel(k) == kNoChannel) continue;
    if (places_.size() >= NeuralShape::kClicks && journey.times[k] != journey.times[places_.back()]) break;
    places_.push_back(k);
  }
  // Clicks of one moment have no order: not that of their rows.
  std::ranges::sort(places_, [&](std::size_t a, std::size_t b) {
    if (journey.times[a] != journey.times[b]) return journey.times[a] > journey.times[b];
    return channel(a) != channel(b) ? channel(a) < channel(b) : a > b;
  });
  for (const std::size_t k : places_)
    if (clicks_.size() < NeuralShape::kClicks)
      clicks_.push_back({channel(k), age_bin(journey.conversion - journey.times[k])});
  if (clicks_.empty()) {
    std::ranges::fill(credits, 1.0 / static_cast<double>(credits.size()));
    return;
  }
  std::ranges::fill(credits, 0.0);
  if (clicks_.size() == 1) {
    credits[places_.front()] = 1;
    return;
  }
  const std::string key(reinterpret_cast<const char*>(clicks_.data()), clicks_.size() * sizeof(BinnedClick));
  const std::vector<double>& found = shares(key);
  for (std::size_t begin = 0, end = 0; begin < found.size(); begin = end) {
    const auto alike = [&](std::size_t k) {
      return journey.times[places_[k]] == journey.times[places_[begin]] &&
             channel(places_[k]) == channel(places_[begin]);
    };
    double sum = 0;
    for (; end < places_.size() && alike(end); ++end) sum += end < found.size() ? found[end] : 0;
    for (std::size_t k = begin; k < end; ++k) credits[places_[k]] = sum / static_cast<double>(end - begin);
  }
}

const std::vector<double>& NeuralCredit::shares(const std::string& key) {
  if (const auto known = known_.find(key); known != known_.end()) return known->second;
  if (known_.size() >= kMostKnown) known_.clear();
  std::vector<double> shares(clicks_.size(), 0.0);
  for (std::size_t network = 0; network < networks_.size(); ++network) {  // the value of a sum is the sum of the values
    const std::vector<double> values = clicks_.size() <= kExact ? exact_values(network) : sampled_values(network);
    for (std::size_t k = 0; k < shares.size(); ++k) shares[k] += values[k];
  }
  double sum = 0;
  for (double& share : shares) sum += share = std::max(0.0, share);
  for (double& share : shares) share = sum > 0 ? share / sum : 1.0 / static_cast<double>(shares.size());
  return known_.emplace(key, std::move(shares)).first->second;
}

// φ_k = Σ over S without k of |S|! (n − |S| − 1)! / n! · (v(S ∪ {k}) − v(S)).
std::vector<double> NeuralCredit::exact_values(std::size_t network) const {
  const std::size_t n = clicks_.size(), sets = std::size_t{1} << n;
  std::vector<NeuralNetwork::Pooled> pooled(sets);
  std::vector<NeuralNetwork::Pooled> alone(n);
  for (std::size_t k = 0; k < n; ++k) networks_[network].add(clicks_[k], alone[k]);
  std::vector<double> worth(sets, -std::numeric_limits<double>::infinity());
  for (std::size_t set = 1; set < sets; ++set) {
    const auto last = static_cast<std::size_t>(std::bit_width(set)) - 1;
    pooled[set] = pooled[set & ~(std::size_t{1} << last)];
    for (std::size_t i = 0; i < pooled[set].size(); ++i) pooled[set][i] += alone[last][i];
    worth[set] = networks_[network].log_hazard(pooled[set]);
  }
  for (double& value : worth) value = std::exp(value);

  std::vector<double> weight(n, 1.0 / static_cast<double>(n));  // s! (n − s − 1)! / n!
  for (std::size_t s = 1; s < n; ++s) weight[s] = weight[s - 1] * static_cast<double>(s) / static_cast<double>(n - s);
  std::vector<double> values(n, 0.0);
  for (std::size_t set = 0; set < sets; ++set)
    for (std::size_t k = 0; k < n; ++k)
      if ((set >> k & 1U) == 0)
        values[k] +=
            weight[static_cast<std::size_t>(std::popcount(set))] * (worth[set | std::size_t{1} << k] - worth[set]);
  return values;
}

// Orders depend on the network and the number of clicks alone, so that the same journey always gets the same.
std::vector<double> NeuralCredit::sampled_values(std::size_t network) const {
  const std::size_t n = clicks_.size();
  const Random random(network << 32 | n, "attribution: orders of clicks");
  std::vector<NeuralNetwork::Pooled> alone(n);
  for (std::size_t k = 0; k < n; ++k) networks_[network].add(clicks_[k], alone[k]);
  std::vector<std::size_t> order(n);
  std::vector<double> values(n, 0.0);
  for (std::size_t o = 0; o < 2 * kOrders; ++o) {
    if (o % 2 == 0) {
      std::iota(order.begin(), order.end(), std::size_t{0});
      for (std::size_t i = n; i > 1; --i) std::swap(order[i - 1], order[random.below(o * n + i - 1, i)]);
    } else {
      std::ranges::reverse(order);
    }
    NeuralNetwork::Pooled pooled{};
    double before = 0;
    for (const std::size_t k : order) {
      for (std::size_t i = 0; i < pooled.size(); ++i) pooled[i] += alone[k][i];
      const double worth = std::exp(networks_[network].log_hazard(pooled));
      values[k] += worth - before;
      before = worth;
    }
  }
  return values;
}

}  // namespace mal

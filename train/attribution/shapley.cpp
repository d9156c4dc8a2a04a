#include "train/attribution/shapley.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <span>

#include "engine/random.h"

namespace mal {

namespace {

// v(S), from the coalition's hash and the mean of its channels' v({i}).
class Game {
 public:
  Game(const CoalitionTable& table, const ShapleyOptions& options)
      : table_(table), prior_journeys_(options.prior_journeys) {
    const CoalitionCount& total = table.total();
    const double rate =
        total.journeys == 0 ? 0.0 : static_cast<double>(total.conversions) / static_cast<double>(total.journeys);
    for (const CoalitionCount& single : table.singles())
      single_.push_back(smoothed(single, rate, options.single_prior_journeys));
  }

  double single(std::uint32_t channel) const { return single_[channel]; }
  double value(std::uint64_t coalition, double mean_of_singles) const {
    return smoothed(table_.count(coalition), mean_of_singles, prior_journeys_);
  }

 private:
  static double smoothed(const CoalitionCount& count, double prior, double prior_journeys) {
    const double journeys = static_cast<double>(count.journeys) + prior_journeys;
    if (journeys == 0) return prior;
    return (static_cast<double>(count.conversions) + prior_journeys * prior) / journeys;
  }

  const CoalitionTable& table_;
  double prior_journeys_;
  std::vector<double> single_;
};

// v of every subset, by bit mask.
std::vector<double> all_values(const Game& game, std::uint32_t channels) {
  const std::size_t subsets = std::size_t{1} << channels;
  std::vector<double> value(subsets, 0.0), singles(subsets, 0.0);
  std::vector<std::uint64_t> hash(subsets, 0);
  for (std::size_t set = 1; set < subsets; ++set) {
    const auto lowest = static_cast<std::uint32_t>(std::countr_zero(set));
    const std::size_t rest = set & (set - 1);
    hash[set] = hash[rest] ^ CoalitionTable::channel_hash(lowest);
    singles[set] = singles[rest] + game.single(lowest);
    value[set] = rest == 0 ? game.single(lowest) : game.value(hash[set], singles[set] / std::popcount(set));
  }
  return value;
}

std::vector<double> exact_values(const Game& game, std::uint32_t channels) {
  const std::vector<double> value = all_values(game, channels);
  // weight[s] = s! (N−s−1)! / N!
  std::vector<double> weight(channels);
  for (std::uint32_t s = 0; s < channels; ++s) {
    double choose = 1;  // N−1 over s
    for (std::uint32_t k = 1; k <= s; ++k) choose = choose * (channels - k) / k;
    weight[s] = 1 / (choose * channels);
  }
  std::vector<double> phi(channels, 0.0);
  for (std::size_t set = 0; set < value.size(); ++set)
    for (std::uint32_t i = 0; i < channels; ++i)
      if ((set >> i & 1U) == 0)
        phi[i] +=
            weight[static_cast<std::size_t>(std::popcount(set))] * (value[set | std::size_t{1} << i] - value[set]);
  return phi;
}

// Adds the marginal contribution of every channel along one order.
void walk(const Game& game, std::span<const std::uint32_t> order, std::span<double> phi) {
  std::uint64_t hash = 0;
  double singles = 0, before = 0, size = 0;
  for (const std::uint32_t channel : order) {
    hash ^= CoalitionTable::channel_hash(channel);
    singles += game.single(channel);
    size += 1;
    const double after = size == 1 ? game.single(channel) : game.value(hash, singles / size);
    phi[channel] += after - before;
    before = after;
  }
}

std::vector<double> sampled_values(const Game& game, std::uint32_t channels, const ShapleyOptions& options) {
  const Random random(options.seed, "attribution: shapley orders");
  std::vector<double> phi(channels, 0.0);
  std::vector<std::uint32_t> order(channels);
  std::iota(order.begin(), order.end(), 0U);
  std::uint64_t draw = 0;
  for (std::uint32_t sample = 0; sample < options.permutations; ++sample) {
    for (std::uint32_t i = channels; i > 1; --i) std::swap(order[i - 1], order[random.below(draw++, i)]);
    walk(game, order, phi);
    // The same order backwards: a channel early in one is late in the other, which halves the variance for free.
    std::reverse(order.begin(), order.end());
    walk(game, order, phi);
  }
  for (double& value : phi) value /= 2.0 * options.permutations;
  return phi;
}

}  // namespace

ShapleyFit fit_shapley(const CoalitionTable& table, const ShapleyOptions& options) {
  const Game game(table, options);
  const std::uint32_t channels = table.channels();
  // 2^24 coalitions of doubles is the most that is ever enumerated, whatever is asked for.
  if (channels <= std::min(options.exact_channels, 24U)) return {exact_values(game, channels), true};
  return {sampled_values(game, channels, options), false};
}

}  // namespace mal

#include "train/attribution/removal_effects.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "engine/error.h"
#include "train/attribution/dense_inverse.h"

namespace mal {

namespace {

constexpr std::uint32_t kMaxDense = 2048;             // channels; the inverse costs their third power
constexpr double kAgreement = 1e-13;                  // of both sweeps, as a share of what they sum
constexpr double kMaxWork = 1e12;                     // multiplications: tens of minutes
constexpr std::uint64_t kMaxProduct = 4'000'000'000;  // channels × steps, each swept some ten to a hundred times

// The chain's steps as probabilities, without those from a state to itself: leaving them out changes how long a walk
// stays, not where it goes.
class Sweeps {
 public:
  explicit Sweeps(const ChainTable& chain) : fixed_(chain.states.size(), false) {
    for (std::uint32_t s = 0; s < chain.states.size(); ++s) {
      const ChainTable::State& state = chain.states[s];
      std::uint64_t leaving = state.total();
      for (const ChainTable::Step& step : state.steps)
        if (step.to == s) leaving -= step.count;
      const double scale = leaving == 0 ? 0.0 : 1 / static_cast<double>(leaving);
      begin_.push_back(to_.size());
      for (const ChainTable::Step& step : state.steps) {
        if (step.to == s) continue;
        to_.push_back(step.to);
        share_.push_back(static_cast<double>(step.count) * scale);
      }
      conversions_.push_back(static_cast<double>(state.conversions) * scale);
      value_.push_back(state.value * scale);
      if (state.conversions > 0)
        most_value_ = std::max(most_value_, state.value / static_cast<double>(state.conversions));
    }
    begin_.push_back(to_.size());
  }

  // What a walk from each state brings: its probability to convert, or (of_value) the value it is expected to bring. To
  // 13 digits for every state; 0 for one that no conversion follows.
  std::vector<double> brings(bool of_value) {
    const std::vector<double>& reward = of_value ? value_ : conversions_;
    std::vector<double> above = come_to(reward), below(above.size(), 0.0);
    for (double& most : above) most *= of_value ? most_value_ : 1.0;
    sweep_until(reward, below, above, [&] {
      for (std::size_t s = 0; s < above.size(); ++s)
        if (above[s] - below[s] > kAgreement * above[s]) return false;
      return true;
    });
    for (std::size_t s = 0; s < above.size(); ++s) above[s] = (above[s] + below[s]) / 2;
    return above;
  }

  // How much of what a walk from the start brings comes by way of some of these states. brings: not 0 for the start.
  double share_through(const std::vector<std::uint32_t>& states, const std::vector<double>& brings) {
    if (std::ranges::none_of(states, [&](std::uint32_t state) { return brings[state] > 0; })) return 0;
    std::vector<double> below(brings.size(), 0.0), above = brings;  // the part is no more than the whole
    for (const std::uint32_t state : states) {
      fixed_[state] = true;
      below[state] = brings[state];
    }
    sweep_until(nothing_, below, above, [&] { return above[0] - below[0] <= kAgreement * above[0]; });
    for (const std::uint32_t state : states) fixed_[state] = false;
    return std::clamp((above[0] + below[0]) / 2 / brings[0], 0.0, 1.0);
  }

 private:
  // 1 for the states that have a reward or come to one, 0 for the others.
  std::vector<double> come_to(const std::vector<double>& reward) const {
    std::vector<std::vector<std::uint32_t>> before(reward.size());
    std::vector<std::uint32_t> found;
    std::vector<double> comes(reward.size(), 0.0);
    for (std::uint32_t s = 0; s < reward.size(); ++s) {
      for (std::size_t k = begin_[s]; k < begin_[s + 1]; ++k) before[to_[k]].push_back(s);
      if (reward[s] > 0) found.push_back(s);
    }
    for (const std::uint32_t state : found) comes[state] = 1;
    while (!found.empty()) {
      const std::uint32_t state = found.back();
      found.pop_back();
      for (const std::uint32_t from : before[state])
        if (comes[from] == 0) {
          comes[from] = 1;
          found.push_back(from);
        }
    }
    return comes;
  }

  // Narrows x = Qx + reward, from below and from above, until agreed() or nothing changes any more.
  template <typename Agreed>
  void sweep_until(const std::vector<double>& reward, std::vector<double>& below, std::vector<double>& above,
                   const Agreed& agreed) {
    for (bool forward = false; sweep(reward, below, above, forward) && !agreed(); forward = !forward) {
      work_ += static_cast<double>(to_.size() + above.size());
      if (work_ > kMaxWork)
        fail_usage(
            "--markov-order: walks of this chain stay in it for too long to be followed (journeys that go round in "
            "circles for thousands of touches); give order 1");
    }
  }

  // True if something changed.
  bool sweep(const std::vector<double>& reward, std::vector<double>& below, std::vector<double>& above, bool forward) {
    bool changed = false;
    const std::size_t states = above.size();
    for (std::size_t i = 0; i < states; ++i) {
      const std::size_t s = forward ? i : states - 1 - i;
      if (fixed_[s]) continue;
      double low = reward.empty() ? 0.0 : reward[s], high = low;
      for (std::size_t k = begin_[s]; k < begin_[s + 1]; ++k) {
        low += share_[k] * below[to_[k]];
        high += share_[k] * above[to_[k]];
      }
      // Rounding must not turn the two around, nor back.
      low = std::max(low, below[s]);
      high = std::min(high, above[s]);
      changed = changed || low != below[s] || high != above[s];
      below[s] = low;
      above[s] = high;
    }
    return changed;
  }

  std::vector<std::size_t> begin_;
  std::vector<std::uint32_t> to_;
  std::vector<double> share_, conversions_, value_;
  const std::vector<double> nothing_;  // no reward
  std::vector<bool> fixed_;            // states whose number is known
  double most_value_ = 0, work_ = 0;
};

// [channel] the states that contain it.
std::vector<std::vector<std::uint32_t>> states_of_channels(const ChainTable& chain) {
  std::vector<std::vector<std::uint32_t>> states(chain.channels);
  for (std::uint32_t s = 0; s < chain.states.size(); ++s)
    for (const std::uint32_t channel : chain.states[s].channels)
      if (states[channel].empty() || states[channel].back() != s) states[channel].push_back(s);
  return states;
}

}  // namespace

RemovalEffects swept_removal_effects(const ChainTable& chain) {
  RemovalEffects effects{std::vector<double>(chain.channels, 0.0), std::vector<double>(chain.channels, 0.0)};
  if (chain.states.size() <= 1) return effects;
  Sweeps sweeps(chain);
  const auto states = states_of_channels(chain);
  for (const bool of_value : {false, true}) {
    const std::vector<double> brings = sweeps.brings(of_value);
    if (brings[0] <= 0) break;
    for (std::uint32_t c = 0; c < chain.channels; ++c)
      (of_value ? effects.value : effects.conversions)[c] = sweeps.share_through(states[c], brings);
  }
  return effects;
}

RemovalEffects dense_removal_effects(const ChainTable& chain) {
  // State s of channel c is s − 1 here; a channel without a state has no effect.
  const std::size_t n = chain.states.size() - 1;
  std::vector<double> rest(n * n, 0.0), converts(n, 0.0), brings(n, 0.0), from_start(n, 0.0), starts(n, 0.0);
  for (std::size_t s = 0; s < n; ++s) {
    const ChainTable::State& state = chain.states[s + 1];
    const auto total = static_cast<double>(state.total());
    rest[s * n + s] = 1;
    for (const ChainTable::Step& step : state.steps)
      rest[s * n + step.to - 1] -= static_cast<double>(step.count) / total;
  }
  const auto all = static_cast<double>(chain.states.front().total());
  for (const ChainTable::Step& step : chain.states.front().steps)
    starts[step.to - 1] = static_cast<double>(step.count) / all;
  const std::vector<double> visits = dense_inverse(std::move(rest), n);
  for (std::size_t from = 0; from < n; ++from)
    for (std::size_t to = 0; to < n; ++to) {
      const ChainTable::State& state = chain.states[to + 1];
      const double visit = visits[from * n + to], total = static_cast<double>(state.total());
      converts[from] += visit * static_cast<double>(state.conversions) / total;
      brings[from] += visit * state.value / total;
      from_start[to] += starts[from] * visit;
    }
  const double conversions = std::inner_product(starts.begin(), starts.end(), converts.begin(), 0.0);
  const double value = std::inner_product(starts.begin(), starts.end(), brings.begin(), 0.0);
  RemovalEffects effects{std::vector<double>(chain.channels, 0.0), std::vector<double>(chain.channels, 0.0)};
  for (std::size_t s = 0; s < n; ++s) {
    const std::uint32_t channel = chain.states[s + 1].channels.front();
    const double comes = from_start[s] / visits[s * n + s];
    if (conversions > 0) effects.conversions[channel] = std::clamp(comes * converts[s] / conversions, 0.0, 1.0);
    if (value > 0) effects.value[channel] = std::clamp(comes * brings[s] / value, 0.0, 1.0);
  }
  return effects;
}

RemovalEffects removal_effects(const ChainTable& chain) {
  const bool order_1 =
      std::ranges::all_of(chain.states, [](const ChainTable::State& state) { return state.channels.size() <= 1; });
  if (order_1 && chain.states.size() <= kMaxDense + 1) return dense_removal_effects(chain);
  if (chain.steps() * chain.channels > kMaxProduct)
    fail_usage(
        "--markov-order: {} channels and {} different steps between {} states are more than can be solved; lower the "
        "order, or name a coarser column of channels",
        chain.channels, chain.steps(), chain.states.size());
  return swept_removal_effects(chain);
}

std::vector<double> shares_of(const std::vector<double>& effects) {
  const double sum = std::accumulate(effects.begin(), effects.end(), 0.0);
  std::vector<double> shares(effects.size(), 0.0);
  if (sum > 0) std::ranges::transform(effects, shares.begin(), [sum](double effect) { return effect / sum; });
  return shares;
}

}  // namespace mal

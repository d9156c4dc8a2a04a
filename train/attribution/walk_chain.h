// Journeys as walks of a Markov chain of order k, whose states are the last k channels: start → state → state … →
// conversion or null. What `markov_total` is computed from, and what transitions.csv shows.
//
// A journey's first states are shorter: of a > b > c with k = 2 they are (a), (a > b), (b > c). That gives every walk
// the probability that it has where the first state is the first k channels at once, as ChannelAttribution has it: a
// short state is met at the start of a journey only.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "train/attribution/exact_sum.h"

namespace mal {

// What became of journeys of the same channels.
struct WalkOutcome {
  std::uint64_t conversions = 0, nulls = 0;
  double value = 0;  // of all these conversions
};

// The observed chain, its states sorted by their channels (the start first): the same whatever order journeys came in.
struct ChainTable {
  struct Step {
    std::uint32_t to = 0;  // a state
    std::uint64_t count = 0;
  };
  struct State {
    std::vector<std::uint32_t> channels;  // oldest first; empty: the start
    std::vector<Step> steps = {};         // by rising state
    std::uint64_t conversions = 0, nulls = 0;
    double value = 0;  // of the conversions

    std::uint64_t total() const {
      std::uint64_t sum = conversions + nulls;
      for (const Step& step : steps) sum += step.count;
      return sum;
    }
  };

  std::uint32_t channels = 0;
  std::vector<State> states;

  std::uint64_t steps() const {
    std::uint64_t sum = 0;
    for (const State& state : states) sum += state.steps.size();
    return sum;
  }
};

class WalkChain {
 public:
  static constexpr std::uint32_t kMaxOrder = 10;
  static constexpr std::uint32_t kMaxStates = 1U << 20;

  explicit WalkChain(std::uint32_t order) : order_(order) { states_.emplace_back(); }

  std::uint32_t order() const { return order_; }
  // Channels in the order of time, at least one. Throws a usage Error for more than kMaxStates states.
  void add(std::span<const std::uint32_t> journey_channels, const WalkOutcome& outcome);
  // number: channel c is number[c], a permutation; the table depends on the new numbers alone.
  ChainTable table(std::span<const std::uint32_t> number) const;

 private:
  struct State {
    std::vector<std::uint32_t> channels;
    std::uint64_t conversions = 0, nulls = 0;
    ExactSum value;
  };
  std::uint32_t state(std::span<const std::uint32_t> channels);

  std::uint32_t order_;
  std::vector<State> states_;                                     // the first is the start
  std::unordered_multimap<std::uint64_t, std::uint32_t> places_;  // a state by the hash of its channels
  std::unordered_map<std::uint64_t, std::uint64_t> steps_;        // from << 32 | to: how often
};

}  // namespace mal

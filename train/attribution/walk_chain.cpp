#include "train/attribution/walk_chain.h"

#include <xxhash.h>

#include <algorithm>
#include <numeric>

#include "engine/error.h"

namespace mal {

std::uint32_t WalkChain::state(std::span<const std::uint32_t> channels) {
  const std::uint64_t hash = XXH3_64bits(channels.data(), channels.size_bytes());
  const auto [begin, end] = places_.equal_range(hash);
  for (auto place = begin; place != end; ++place)
    if (std::ranges::equal(states_[place->second].channels, channels)) return place->second;
  if (states_.size() > kMaxStates)
    fail_usage(
        "order {} of the Markov chain: journeys have more than {} different runs of {} channels, and more states are "
        "not "
        "possible; lower --markov-order or --max-order, or name a coarser column of channels",
        order_, kMaxStates, order_);
  const auto number = static_cast<std::uint32_t>(states_.size());
  states_.emplace_back().channels.assign(channels.begin(), channels.end());
  places_.emplace(hash, number);
  return number;
}

void WalkChain::add(std::span<const std::uint32_t> journey_channels, const WalkOutcome& outcome) {
  const std::uint64_t journeys = outcome.conversions + outcome.nulls;
  if (journeys == 0) return;
  std::uint32_t from = 0;
  for (std::size_t k = 0; k < journey_channels.size(); ++k) {
    const std::size_t length = std::min<std::size_t>(k + 1, order_);
    const std::uint32_t to = state(journey_channels.subspan(k + 1 - length, length));
    steps_[std::uint64_t{from} << 32 | to] += journeys;
    from = to;
  }
  State& last = states_[from];
  last.conversions += outcome.conversions;
  last.nulls += outcome.nulls;
  last.value.add(outcome.value);
}

ChainTable WalkChain::table(std::span<const std::uint32_t> number) const {
  std::vector<std::vector<std::uint32_t>> channels(states_.size());
  for (std::size_t s = 0; s < states_.size(); ++s)
    for (const std::uint32_t channel : states_[s].channels) channels[s].push_back(number[channel]);
  std::vector<std::uint32_t> sorted(states_.size()), place(states_.size());
  std::iota(sorted.begin(), sorted.end(), 0U);
  std::ranges::sort(sorted, [&](std::uint32_t a, std::uint32_t b) { return channels[a] < channels[b]; });
  ChainTable table;
  table.channels = static_cast<std::uint32_t>(number.size());
  for (std::uint32_t s = 0; s < sorted.size(); ++s) {
    const State& from = states_[sorted[s]];
    place[sorted[s]] = s;
    table.states.push_back({std::move(channels[sorted[s]]), {}, from.conversions, from.nulls, from.value.value()});
  }
  for (const auto& [step, count] : steps_)
    table.states[place[step >> 32]].steps.push_back({place[static_cast<std::uint32_t>(step)], count});
  for (ChainTable::State& state : table.states) std::ranges::sort(state.steps, {}, &ChainTable::Step::to);
  return table;
}

}  // namespace mal

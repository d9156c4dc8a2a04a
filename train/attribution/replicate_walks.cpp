#include "train/attribution/replicate_walks.h"

#include <algorithm>
#include <future>
#include <numeric>
#include <thread>
#include <utility>

#include "engine/error.h"
#include "train/attribution/removal_effects.h"

namespace mal {

ReplicateWalks::ReplicateWalks(const Interner& channels, std::uint32_t order, std::size_t replicates,
                               std::uint64_t memory)
    : channels_(channels), order_(order), replicates_(replicates), memory_(memory), counts_(replicates), states_(1) {}

void ReplicateWalks::check_memory() const {
  if (counts_.bytes() + worth_.size() * sizeof(ExactSum) <= memory_) return;
  fail_usage(
      "--bootstrap {}: the resamples need more than {} MiB, for {} states of the Markov chain and {} steps between "
      "them; lower --markov-order, name a coarser column by --channel, ask for fewer resamples, or give more --memory",
      replicates_, memory_ >> 20, states_.size(), steps_.size());
}

std::uint32_t ReplicateWalks::state(std::span<const std::uint32_t> channels) {
  key_.assign(reinterpret_cast<const char*>(channels.data()), channels.size_bytes());
  const auto [place, is_new] = places_.try_emplace(key_, static_cast<std::uint32_t>(states_.size()));
  if (is_new) states_.emplace_back().channels.assign(channels.begin(), channels.end());
  return place->second;
}

void ReplicateWalks::count(std::size_t& row, std::span<const std::uint8_t> weights) {
  if (row == kNoRow) {
    row = counts_.add_row();
    check_memory();
  }
  counts_.add(row, weights);
}

void ReplicateWalks::add(std::span<const std::uint32_t> channels, bool converted, double value,
                         std::span<const std::uint8_t> weights) {
  std::uint32_t from = 0;
  for (std::size_t k = 0; k < channels.size(); ++k) {
    const std::size_t length = std::min<std::size_t>(k + 1, order_);
    const std::uint32_t to = state(channels.subspan(k + 1 - length, length));
    count(steps_.try_emplace(std::uint64_t{from} << 32 | to, kNoRow).first->second, weights);
    from = to;
  }
  State& last = states_[from];
  count(converted ? last.conversions : last.nulls, weights);
  if (!converted || !(value > 0)) return;
  if (last.value_row == kNoRow) {
    last.value_row = worth_.size() / replicates_;
    worth_.resize(worth_.size() + replicates_);
    check_memory();
  }
  ExactSum* worth = worth_.data() + last.value_row * replicates_;
  for (std::size_t r = 0; r < weights.size(); ++r) worth[r].add(value * weights[r]);
}

// States and channels in the order that WalkChain gives them, so that the sums of a solution are the same ones.
void ReplicateWalks::sort_by_name() {
  for (const State& state : states_) by_name_.insert(by_name_.end(), state.channels.begin(), state.channels.end());
  std::ranges::sort(by_name_);
  by_name_.erase(std::unique(by_name_.begin(), by_name_.end()), by_name_.end());
  std::ranges::sort(by_name_, {}, [this](std::uint32_t c) -> const std::string& { return channels_.name(c); });
  number_.assign(channels_.size(), 0);
  for (std::uint32_t n = 0; n < by_name_.size(); ++n) number_[by_name_[n]] = n;
  for (State& state : states_)
    for (std::uint32_t& channel : state.channels) channel = number_[channel];
  sorted_.resize(states_.size());
  std::iota(sorted_.begin(), sorted_.end(), 0U);
  std::ranges::sort(
      sorted_, {}, [this](std::uint32_t s) -> const auto& { return states_[s].channels; });
  std::vector<std::uint32_t> place(states_.size());
  for (std::uint32_t s = 0; s < sorted_.size(); ++s) place[sorted_[s]] = s;
  for (const auto& [step, row] : steps_)
    sorted_steps_.push_back({place[step >> 32], place[static_cast<std::uint32_t>(step)], row});
  std::ranges::sort(sorted_steps_, {}, [](const Step& step) { return std::pair(step.from, step.to); });
}

// Of one resample: without the states that it lacks.
ChainTable ReplicateWalks::table(std::size_t replicate) const {
  const auto at = [&](std::size_t row) -> std::uint64_t { return row == kNoRow ? 0 : counts_.at(row, replicate); };
  std::vector<bool> seen(sorted_.size(), false);
  seen[0] = true;
  for (const Step& step : sorted_steps_)
    if (at(step.row) > 0) seen[step.to] = true;
  ChainTable table;
  table.channels = static_cast<std::uint32_t>(by_name_.size());
  std::vector<std::uint32_t> place(sorted_.size(), 0);
  for (std::size_t s = 0; s < sorted_.size(); ++s) {
    if (!seen[s]) continue;
    const State& state = states_[sorted_[s]];
    place[s] = static_cast<std::uint32_t>(table.states.size());
    const double value = state.value_row == kNoRow ? 0.0 : worth_[state.value_row * replicates_ + replicate].value();
    table.states.push_back({state.channels, {}, at(state.conversions), at(state.nulls), value});
  }
  for (const Step& step : sorted_steps_)
    if (const std::uint64_t journeys = at(step.row); journeys > 0)
      table.states[place[step.from]].steps.push_back({place[step.to], journeys});
  return table;
}

void ReplicateWalks::solve_one(std::size_t replicate) {
  const RemovalEffects effects = removal_effects(table(replicate));
  const bool has_value = std::ranges::any_of(effects.value, [](double effect) { return effect > 0; });
  const std::vector<double> of_conversions = shares_of(effects.conversions);
  const std::vector<double> of_value = has_value ? shares_of(effects.value) : of_conversions;
  conversions_[replicate].assign(channels_.size(), 0.0);
  values_[replicate].assign(channels_.size(), 0.0);
  for (std::size_t n = 0; n < by_name_.size(); ++n) {
    conversions_[replicate][by_name_[n]] = of_conversions[n];
    values_[replicate][by_name_[n]] = of_value[n];
  }
}

void ReplicateWalks::solve() {
  sort_by_name();
  conversions_.resize(replicates_);
  values_.resize(replicates_);
  const std::size_t threads = std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, replicates_);
  std::vector<std::future<void>> running;
  for (std::size_t t = 0; t < threads; ++t)
    running.push_back(std::async(std::launch::async, [this, t, threads] {
      for (std::size_t r = t; r < replicates_; r += threads) solve_one(r);
    }));
  for (std::future<void>& thread : running) thread.get();
}

}  // namespace mal

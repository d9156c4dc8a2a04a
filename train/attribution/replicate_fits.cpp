#include "train/attribution/replicate_fits.h"

#include <algorithm>
#include <cstring>
#include <future>
#include <limits>
#include <thread>
#include <utility>

#include "engine/error.h"
#include "train/attribution/coalitions.h"
#include "train/attribution/markov.h"

namespace mal {

namespace {

constexpr std::uint32_t kUnseen = std::numeric_limits<std::uint32_t>::max();

bool wants(const std::vector<Mechanism>& wanted, Mechanism mechanism) {
  return std::ranges::find(wanted, mechanism) != wanted.end();
}

std::span<const std::uint32_t> numbers_in(const std::string& key, std::vector<std::uint32_t>& numbers) {
  numbers.resize(key.size() / sizeof(std::uint32_t));
  std::memcpy(numbers.data(), key.data(), key.size());
  return numbers;
}

bool is_channel(std::uint32_t end_of_step) {
  return end_of_step < MarkovChain::kToNull;
}

}  // namespace

std::size_t ReplicateCounts::add_row() {
  counts_.resize(counts_.size() + replicates_);
  return counts_.size() / replicates_ - 1;
}

void ReplicateCounts::add(std::size_t row, std::span<const std::uint8_t> weights) {
  std::uint32_t* counts = counts_.data() + row * replicates_;
  for (std::size_t r = 0; r < weights.size(); ++r) counts[r] += weights[r];
}

ReplicateFits::ReplicateFits(const Interner& channels, const std::vector<Mechanism>& wanted, std::size_t replicates,
                             const FitOptions& options, std::uint64_t memory)
    : channels_(channels),
      shapley_(wants(wanted, Mechanism::shapley)),
      markov_(wants(wanted, Mechanism::markov)),
      logistic_(wants(wanted, Mechanism::logistic)),
      replicates_(replicates),
      options_(options),
      memory_(memory),
      counts_(replicates) {}

bool ReplicateFits::can_fit(Mechanism mechanism) {
  return mechanism == Mechanism::shapley || mechanism == Mechanism::markov || mechanism == Mechanism::logistic;
}

void ReplicateFits::add(std::span<const std::uint32_t> channels, bool converted,
                        std::span<const std::uint8_t> weights) {
  add_set(channels, converted, weights);
  if (markov_) add_steps(channels, converted, weights);
}

void ReplicateFits::check_memory() const {
  if (counts_.bytes() <= memory_) return;
  fail_usage(
      "--bootstrap {}: the resamples need more than {} MiB, for {} sets of channels and {} steps between them; name a "
      "coarser column by --channel, ask for fewer resamples, or give more --memory",
      replicates_, memory_ >> 20, sets_.size(), steps_.size());
}

void ReplicateFits::add_set(std::span<const std::uint32_t> channels, bool converted,
                            std::span<const std::uint8_t> weights) {
  members_.assign(channels.begin(), channels.end());
  std::ranges::sort(members_);
  members_.erase(std::unique(members_.begin(), members_.end()), members_.end());
  key_.assign(reinterpret_cast<const char*>(members_.data()), members_.size() * sizeof(std::uint32_t));
  auto found = sets_.find(key_);
  if (found == sets_.end()) {
    const std::size_t journeys = counts_.add_row(), conversions = counts_.add_row();
    found = sets_.emplace(key_, Rows{journeys, conversions}).first;
    check_memory();
  }
  counts_.add(found->second.journeys, weights);
  if (converted) counts_.add(found->second.conversions, weights);
}

void ReplicateFits::add_steps(std::span<const std::uint32_t> channels, bool converted,
                              std::span<const std::uint8_t> weights) {
  std::uint32_t from = MarkovChain::kFromStart;
  for (const std::uint32_t channel : channels) {
    add_step(from, channel, weights);
    from = channel;
  }
  add_step(from, converted ? MarkovChain::kToConversion : MarkovChain::kToNull, weights);
}

void ReplicateFits::add_step(std::uint32_t from, std::uint32_t to, std::span<const std::uint8_t> weights) {
  const auto [step, is_new] = steps_.try_emplace(std::uint64_t{from} << 32 | to, 0);
  if (is_new) {
    step->second = counts_.add_row();
    check_memory();
  }
  counts_.add(step->second, weights);
}

std::vector<std::uint32_t> ReplicateFits::channels_by_name() const {
  std::vector<std::uint32_t> members, all;
  for (const auto& [key, rows] : sets_)
    for (const std::uint32_t channel : numbers_in(key, members)) all.push_back(channel);
  std::ranges::sort(all);
  all.erase(std::unique(all.begin(), all.end()), all.end());
  std::ranges::sort(all, {}, [this](std::uint32_t channel) -> const std::string& { return channels_.name(channel); });
  return all;
}

// As ChannelFit would, had it seen that resample: channels that it lacks are in no game.
ChannelModel ReplicateFits::fit_one(std::size_t replicate, const std::vector<std::uint32_t>& by_name) const {
  std::vector<std::uint32_t> number(channels_.size(), kUnseen), members;
  for (const auto& [key, rows] : sets_)
    if (counts_.at(rows.journeys, replicate) > 0)
      for (const std::uint32_t channel : numbers_in(key, members)) number[channel] = 0;
  ChannelModel model;
  for (const std::uint32_t channel : by_name) {
    if (number[channel] == kUnseen) continue;
    number[channel] = static_cast<std::uint32_t>(model.channels.size());
    model.channels.push_back(channels_.name(channel));
  }
  CoalitionTable coalitions(static_cast<std::uint32_t>(model.channels.size()));
  for (const auto& [key, rows] : sets_) {
    const CoalitionCount count{counts_.at(rows.journeys, replicate), counts_.at(rows.conversions, replicate)};
    if (count.journeys == 0) continue;
    numbers_in(key, members);
    for (std::uint32_t& member : members) member = number[member];
    coalitions.add(members, count);
  }
  MarkovChain chain(markov_ ? static_cast<std::uint32_t>(model.channels.size()) : 0);
  for (const auto& [step, row] : steps_) {
    const auto from = static_cast<std::uint32_t>(step >> 32), to = static_cast<std::uint32_t>(step);
    if (const std::uint32_t count = counts_.at(row, replicate); count > 0)
      chain.add_steps(is_channel(from) ? number[from] : from, is_channel(to) ? number[to] : to, count);
  }
  fit_mechanisms(coalitions, markov_ ? &chain : nullptr, shapley_, logistic_, options_, model);
  ChannelModel of_log;  // the values of the log's channels
  for (const FittedMechanism& fitted : model.mechanisms) {
    FittedMechanism& all = of_log.mechanisms.emplace_back();
    all.mechanism = fitted.mechanism;
    all.values.assign(channels_.size(), 0.0);
    for (std::uint32_t c = 0; c < channels_.size(); ++c)
      if (number[c] != kUnseen) all.values[c] = fitted.values[number[c]];
  }
  return of_log;
}

void ReplicateFits::fit() {
  const std::vector<std::uint32_t> by_name = channels_by_name();
  fits_.resize(replicates_);
  const std::size_t threads = std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, replicates_);
  std::vector<std::future<void>> running;
  for (std::size_t t = 0; t < threads; ++t)
    running.push_back(std::async(std::launch::async, [&, t] {
      for (std::size_t r = t; r < replicates_; r += threads) fits_[r] = fit_one(r, by_name).mechanisms;
    }));
  for (std::future<void>& thread : running) thread.get();
}

std::span<const double> ReplicateFits::values(std::size_t replicate, Mechanism mechanism) const {
  const std::vector<FittedMechanism>& fits = fits_[replicate];
  const auto found = std::ranges::find(fits, mechanism, &FittedMechanism::mechanism);
  if (found == fits.end()) return {};
  return found->values;
}

}  // namespace mal

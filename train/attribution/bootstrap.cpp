#include "train/attribution/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <unordered_map>

#include "engine/error.h"

namespace mal {

namespace {

constexpr std::uint64_t kLeastMemory =
    1U << 30;  // bytes: what the fits and the sums may take each, whatever --memory says

std::vector<Mechanism> fitted(const std::vector<NamedMechanism>& mechanisms, bool given_model) {
  std::vector<Mechanism> fitted;
  for (const NamedMechanism& named : mechanisms)
    if (needs_fit(named.mechanism) && !given_model) fitted.push_back(named.mechanism);
  return fitted;
}

// The value below which that share of the sorted values lies; between two of them, on the straight line.
double quantile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace

Bootstrap::Bootstrap(const AttributeOptions& options, const std::vector<NamedMechanism>& mechanisms,
                     const Interner& channels, const FitOptions& fit)
    : mechanisms_(mechanisms),
      channels_(channels),
      fit_options_(fit),
      given_model_(!options.channel_model.empty()),
      users_(options.seed),
      fits_(channels, fitted(mechanisms, given_model_), options.bootstrap, fit, std::max(options.memory, kLeastMemory)),
      weights_(options.bootstrap) {
  check_memory(options);
  conversions_.resize(channels.size() * mechanisms.size() * weights_.size());
  values_.resize(conversions_.size());
}

void Bootstrap::check_memory(const AttributeOptions& options) const {
  const std::uint64_t most = std::max(options.memory, kLeastMemory);
  const std::uint64_t rows = std::uint64_t{channels_.size()} * mechanisms_.size();
  if (rows * weights_.size() * 2 * sizeof(Wide) <= most) return;
  fail_usage(
      "--bootstrap {}: the resamples of {} channels by {} mechanisms need more than {} MiB; name a coarser column by "
      "--channel, ask for fewer resamples or mechanisms, or give more --memory",
      weights_.size(), channels_.size(), mechanisms_.size(), most >> 20);
}

Bootstrap::Way Bootstrap::way_of(std::size_t mechanism) const {
  const Mechanism kind = mechanisms_[mechanism].mechanism;
  if (!needs_fit(kind) || given_model_) return Way::fixed;
  return ReplicateFits::can_fit(kind) ? Way::refitted : Way::none;
}

void Bootstrap::observe(const ClickLog& log, const ClickOrder& order) {
  if (!fits_.wanted()) return;
  observe_journeys(log, order, fit_options_.rule, fit_options_.until, [&](const Journey& journey, bool converted) {
    users_.draw(log.users.name(log.user[journey.clicks.front()]), weights_);
    fits_.add(journey.channels, converted, weights_);
  });
}

void Bootstrap::fit() {
  if (fits_.wanted()) fits_.fit();
}

Bootstrap::Wide Bootstrap::units(double amount) {
  return static_cast<Wide>(std::round(std::ldexp(amount, 40)));
}

// The shares of shares_, added up by channel.
void Bootstrap::gather(const Journey& journey) {
  by_channel_.clear();
  for (std::size_t k = 0; k < shares_.size(); ++k) {
    const auto known = std::ranges::find(by_channel_, journey.channels[k], &ChannelShare::channel);
    if (known == by_channel_.end())
      by_channel_.push_back({journey.channels[k], shares_[k]});
    else
      known->share += shares_[k];
  }
}

void Bootstrap::add_fixed(std::size_t mechanism, double value) {
  for (const ChannelShare& part : by_channel_) {
    const Wide share = units(part.share), worth = units(part.share * value);
    Wide* conversions = conversions_.data() + at(part.channel, mechanism);
    Wide* values = values_.data() + at(part.channel, mechanism);
    for (std::size_t r = 0; r < weights_.size(); ++r) {
      conversions[r] += share * weights_[r];
      values[r] += worth * weights_[r];
    }
  }
}

void Bootstrap::add_refitted(std::size_t mechanism, const Journey& journey, double value,
                             MechanismParameters parameters) {
  const Mechanism kind = mechanisms_[mechanism].mechanism;
  for (std::size_t r = 0; r < weights_.size(); ++r) {
    if (weights_[r] == 0) continue;
    parameters.channel_values = fits_.values(r, Mechanism::shapley);
    parameters.markov_values = fits_.values(r, Mechanism::markov);
    parameters.logistic_values = fits_.values(r, Mechanism::logistic);
    credit_journey(kind, journey, parameters, shares_);
    gather(journey);
    for (const ChannelShare& part : by_channel_) {
      conversions_[at(part.channel, mechanism) + r] += units(part.share) * weights_[r];
      values_[at(part.channel, mechanism) + r] += units(part.share * value) * weights_[r];
    }
  }
}

void Bootstrap::add(const ClickLog& log, const ClickOrder& order, const Journeys& journeys,
                    const MechanismParameters& parameters) {
  JourneyView view(log, order, journeys.rule);
  for (const JourneyRange& range : journeys.converting) {
    const Journey journey = view.load(range);
    users_.draw(log.users.name(log.user[journey.clicks.front()]), weights_);
    shares_.resize(journey.channels.size());
    const bool one_channel = std::ranges::count(journey.channels, journey.channels.front()) ==
                             static_cast<std::ptrdiff_t>(journey.channels.size());
    for (std::size_t m = 0; m < mechanisms_.size(); ++m) {
      const Way way = way_of(m);
      if (way == Way::none) continue;
      if (one_channel) {
        by_channel_ = {{journey.channels.front(), 1.0}};
        add_fixed(m, range.value);
      } else if (way == Way::refitted) {
        add_refitted(m, journey, range.value, parameters);
      } else {
        credit_journey(mechanisms_[m].mechanism, journey, parameters, shares_);
        gather(journey);
        add_fixed(m, range.value);
      }
    }
  }
}

Interval Bootstrap::interval(const std::vector<Wide>& sums, std::size_t at) const {
  std::vector<double> sorted;
  for (std::size_t r = 0; r < weights_.size(); ++r)
    sorted.push_back(std::ldexp(static_cast<double>(sums[at + r]), -40));
  std::ranges::sort(sorted);
  return {quantile(sorted, (1 - kInterval) / 2), quantile(sorted, (1 + kInterval) / 2)};
}

void Bootstrap::describe(ChannelTable& table) const {
  std::unordered_map<std::string_view, std::uint32_t> numbers;
  for (std::uint32_t c = 0; c < channels_.size(); ++c) numbers.emplace(channels_.name(c), c);
  table.resamples = static_cast<std::uint32_t>(weights_.size());
  for (ChannelTotals& channel : table.channels)
    for (std::size_t m = 0; m < mechanisms_.size(); ++m) {
      if (way_of(m) == Way::none) continue;
      const std::size_t place = at(numbers.at(channel.name), m);
      channel.credits[m].conversions_interval = interval(conversions_, place);
      if (table.has_value) channel.credits[m].value_interval = interval(values_, place);
    }
}

}  // namespace mal

#include "train/attribution/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "engine/error.h"

namespace mal {

namespace {

constexpr std::uint64_t kLeastMemory = 1U << 30;  // whatever --memory says

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

// The interval that holds the middle kInterval of the values.
Interval middle(std::vector<double> values) {
  std::ranges::sort(values);
  return {quantile(values, (1 - Bootstrap::kInterval) / 2), quantile(values, (1 + Bootstrap::kInterval) / 2)};
}

}  // namespace

Bootstrap::Bootstrap(const AttributeOptions& options, const std::vector<NamedMechanism>& mechanisms,
                     const Interner& channels, const FitOptions& fit)
    : mechanisms_(mechanisms),
      channels_(channels),
      fit_options_(fit),
      given_model_(!options.channel_model.empty()),
      memory_(std::max(options.memory, kLeastMemory)),
      users_(options.seed),
      fits_(channels, fitted(mechanisms, given_model_), options.bootstrap, fit, memory_),
      totals_(std::ranges::count(fitted(mechanisms, given_model_), Mechanism::markov) > 0),
      all_(options.bootstrap),
      all_values_(options.bootstrap),
      weights_(options.bootstrap) {
  check_memory();
  conversions_.resize(channels.size() * mechanisms.size() * weights_.size());
  values_.resize(conversions_.size());
  if (totals_ && fit.markov.choose_up_to == 0) set_order(fit.markov.order);
}

void Bootstrap::set_order(std::uint32_t order) {
  walks_.emplace(channels_, order, weights_.size(), memory_);
}

void Bootstrap::check_memory() const {
  const std::uint64_t rows = std::uint64_t{channels_.size()} * mechanisms_.size();
  if (rows * weights_.size() * 2 * sizeof(Wide) <= memory_) return;
  fail_usage(
      "--bootstrap {}: the resamples of {} channels by {} mechanisms need more than {} MiB; name a coarser column by "
      "--channel, ask for fewer resamples or mechanisms, or give more --memory",
      weights_.size(), channels_.size(), mechanisms_.size(), memory_ >> 20);
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
    if (walks_) walks_->add(journey.channels, converted, journey.value, weights_);
  });
}

void Bootstrap::observe_walks(const ClickLog& log, const ClickOrder& order) {
  observe_journeys(log, order, fit_options_.rule, fit_options_.until, [&](const Journey& journey, bool converted) {
    users_.draw(log.users.name(log.user[journey.clicks.front()]), weights_);
    walks_->add(journey.channels, converted, journey.value, weights_);
  });
}

void Bootstrap::fit() {
  if (fits_.wanted()) fits_.fit();
  if (walks_) walks_->solve();
}

Bootstrap::Wide Bootstrap::units(double amount) {
  return static_cast<Wide>(std::round(std::ldexp(amount, 40)));
}

double Bootstrap::amount(Wide units) {
  return std::ldexp(static_cast<double>(units), -40);
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
    for (std::size_t r = 0; r < weights_.size(); ++r) {
      all_[r] += units(1) * weights_[r];
      all_values_[r] += units(range.value) * weights_[r];
    }
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
  std::vector<double> credits(weights_.size());
  for (std::size_t r = 0; r < credits.size(); ++r) credits[r] = amount(sums[at + r]);
  return middle(std::move(credits));
}

void Bootstrap::describe_total(std::uint32_t channel, bool has_value, ChannelCredit& credit) const {
  std::vector<double> conversions(weights_.size()), values(weights_.size());
  for (std::size_t r = 0; r < weights_.size(); ++r) {
    conversions[r] = walks_->conversion_shares(r)[channel] * amount(all_[r]);
    values[r] = walks_->value_shares(r)[channel] * amount(all_values_[r]);
  }
  credit.conversions_interval = middle(std::move(conversions));
  if (has_value) credit.value_interval = middle(std::move(values));
}

void Bootstrap::describe(ChannelTable& table) const {
  std::unordered_map<std::string_view, std::uint32_t> numbers;
  for (std::uint32_t c = 0; c < channels_.size(); ++c) numbers.emplace(channels_.name(c), c);
  table.resamples = static_cast<std::uint32_t>(weights_.size());
  for (ChannelTotals& channel : table.channels) {
    const std::uint32_t number = numbers.at(channel.name);
    for (std::size_t m = 0; m < mechanisms_.size(); ++m) {
      if (way_of(m) == Way::none) continue;
      channel.credits[m].conversions_interval = interval(conversions_, at(number, m));
      if (table.has_value) channel.credits[m].value_interval = interval(values_, at(number, m));
    }
    if (walks_) describe_total(number, table.has_value, channel.credits.back());
  }
}

}  // namespace mal

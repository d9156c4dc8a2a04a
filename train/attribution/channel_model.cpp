#include "train/attribution/channel_model.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <unordered_map>

#include "engine/error.h"
#include "engine/file.h"
#include "train/attribution/additive_hazard.h"
#include "train/attribution/credits.h"
#include "train/attribution/logistic.h"
#include "train/attribution/neural_credit.h"
#include "train/attribution/neural_fit.h"
#include "train/attribution/neural_json.h"
#include "train/attribution/shapley.h"
#include "train/config/progress.h"
#include "train/data/time_text.h"

namespace mal {

namespace {

using nlohmann::ordered_json;

constexpr int kFormat = 1;
constexpr const char* kNetworks = "neural_networks";
constexpr const char* kDelay = "additive_hazard_delay_seconds";

bool wants(const std::vector<Mechanism>& wanted, Mechanism mechanism) {
  return std::ranges::find(wanted, mechanism) != wanted.end();
}

std::vector<Mechanism> fitted_kinds() {
  return {Mechanism::shapley, Mechanism::markov, Mechanism::logistic, Mechanism::additive_hazard, Mechanism::neural};
}

}  // namespace

const std::vector<double>& ChannelModel::values(Mechanism mechanism) const {
  static const std::vector<double> kNone;
  const auto found = std::ranges::find(mechanisms, mechanism, &FittedMechanism::mechanism);
  return found == mechanisms.end() ? kNone : found->values;
}

bool ChannelModel::learned() const {
  if (total.of_both_kinds()) return true;
  return std::ranges::any_of(mechanisms, [](const FittedMechanism& fitted) {  // a file may have been edited
    return std::ranges::any_of(fitted.values, [](double value) { return value != 0; });
  });
}

ChannelFit::ChannelFit(const Interner& channels, const std::vector<Mechanism>& wanted, const FitOptions& options)
    : channels_(channels),
      shapley_(wants(wanted, Mechanism::shapley)),
      logistic_(wants(wanted, Mechanism::logistic)),
      options_(options),
      number_(channels.size(), kNoChannel) {
  if (wants(wanted, Mechanism::additive_hazard)) hazard_.emplace();
  if (wants(wanted, Mechanism::neural)) moments_.emplace(options.seed);
  if (!wants(wanted, Mechanism::markov)) return;
  markov_.emplace();
  walks_.emplace(options.markov);
}

std::span<const std::uint32_t> ChannelFit::numbered(std::span<const std::uint32_t> journey_channels) {
  scratch_.clear();
  for (const std::uint32_t channel : journey_channels) {
    std::uint32_t& number = number_[channel];
    if (number == kNoChannel) {
      number = static_cast<std::uint32_t>(channel_of_.size());
      channel_of_.push_back(channel);
      if (walks_ && walks_->chooses()) channel_keys_.push_back(OrderChoice::channel_key(channels_.name(channel)));
    }
    scratch_.push_back(number);
  }
  return scratch_;
}

void ChannelFit::observe(const ClickLog& log, const ClickOrder& order) {
  observe_journeys(log, order, options_.rule, options_.until, [&](const Journey& journey, bool converted) {
    const std::span<const std::uint32_t> channels = numbered(journey.channels);
    coalitions_.add(channels, converted);
    if (!markov_) return;
    markov_->add(channels, converted);
    add_walk(journey, channels, converted);
  });
  const std::int64_t watched = std::min(options_.until, options_.watched_until);
  if (hazard_) hazard_->observe(log, order, options_.rule, watched, channels_);
  if (moments_) moments_->observe(log, order, options_.rule, watched, channels_);
}

void ChannelFit::add_walk(const Journey& journey, std::span<const std::uint32_t> numbers, bool converted) {
  walks_->add(numbers, converted ? WalkOutcome{1, 0, journey.value} : WalkOutcome{0, 1, 0});
  if (!walks_->chooses()) return;
  // The fold goes by what the journey is, not by when it comes.
  keys_.clear();
  for (const std::uint32_t number : numbers) keys_.push_back(channel_keys_[number]);
  const std::uint64_t hash = OrderChoice::journey_hash(keys_, converted) ^
                             static_cast<std::uint64_t>(journey.times.front()) * 0x9E3779B97F4A7C15 ^
                             static_cast<std::uint64_t>(journey.times.back());
  const OrderChoice::Counts fold = OrderChoice::dealt(1, hash);
  walks_->add_to_choice(keys_, converted ? fold : OrderChoice::Counts{}, converted ? OrderChoice::Counts{} : fold);
}

std::optional<MarkovTotals> ChannelFit::markov_totals() const {
  if (!walks_) return std::nullopt;
  return walks_->totals(names_, by_number_);
}

void ChannelFit::add(std::span<const std::uint32_t> channels, const CoalitionCount& journeys) {
  coalitions_.add(numbered(channels), journeys);
}

// Numbers the fitted channels in the order of their names, and returns those.
std::vector<std::string> ChannelFit::renumber_by_name() {
  std::vector<std::uint32_t> by_name(channel_of_.size());
  std::iota(by_name.begin(), by_name.end(), 0U);
  const auto name = [&](std::uint32_t number) -> const std::string& { return channels_.name(channel_of_[number]); };
  std::ranges::sort(by_name, {}, name);
  std::vector<std::uint32_t> number(by_name.size());
  std::vector<std::string> names;
  for (std::uint32_t n = 0; n < by_name.size(); ++n) {
    number[by_name[n]] = n;
    names.push_back(name(by_name[n]));
  }
  coalitions_.renumber(number);
  if (markov_) markov_->renumber(number);
  for (std::uint32_t& of_channel : number_)
    if (of_channel != kNoChannel) of_channel = number[of_channel];
  by_number_ = number;
  names_ = names;
  return names;
}

void fit_mechanisms(const CoalitionTable& coalitions, const MarkovChain* markov, bool shapley, bool logistic,
                    const FitOptions& options, ChannelModel& model) {
  const CoalitionCount& total = coalitions.total();
  if (!total.of_both_kinds()) {
    // What a fit would say of it is the noise of its last bits, and credits are shares, however small the values.
    const std::vector<double> zeros(model.channels.size(), 0.0);
    if (shapley) model.mechanisms.push_back({Mechanism::shapley, zeros});
    if (markov != nullptr) model.mechanisms.push_back({Mechanism::markov, zeros});
    if (logistic) model.mechanisms.push_back({Mechanism::logistic, zeros});
    return;
  }
  if (shapley) {
    ShapleyOptions how;
    how.seed = options.seed;
    how.exact_channels = options.exact_channels;
    ShapleyFit fit = fit_shapley(coalitions, how);
    model.exact = fit.exact;
    model.mechanisms.push_back({Mechanism::shapley, std::move(fit.values)});
  }
  if (markov != nullptr) model.mechanisms.push_back({Mechanism::markov, markov->removal_effects()});
  if (logistic) {
    const BaggedLogistic bags(coalitions, {.seed = options.seed});
    model.mechanisms.push_back({Mechanism::logistic, bags.marginal_effects()});
  }
}

// Where nothing can be learned, 0 as the others are.
FittedMechanism ChannelFit::fit_hazard(ChannelModel& model) const {
  model.hazard_delay_seconds = static_cast<double>(options_.rule.window) / double{kSecond};
  if (!model.total.of_both_kinds())
    return {Mechanism::additive_hazard, std::vector<double>(model.channels.size(), 0.0)};
  const auto channels = static_cast<std::uint32_t>(model.channels.size());
  AdditiveHazard hazard = fit_additive_hazard(hazard_->sample(number_), channels);
  model.hazard_delay_seconds = hazard.delay_seconds;
  return {Mechanism::additive_hazard, std::move(hazard.effects)};
}

// The value of a channel is what a click of it brings that stays the only one.
FittedMechanism ChannelFit::fit_network(ChannelModel& model) const {
  FittedMechanism fitted = {Mechanism::neural, std::vector<double>(model.channels.size(), 0.0)};
  if (!model.total.of_both_kinds()) return fitted;
  NeuralFitOptions options;
  options.seed = options_.seed;
  std::optional<Progress> progress;
  if (options_.progress)
    options.progress = [&](std::uint64_t done, std::uint64_t all, std::string_view detail) {
      if (!progress) progress.emplace("train neural", all);
      progress->update(done, detail);
    };
  NeuralFit fit = fit_neural(moments_->moments(number_), static_cast<std::uint32_t>(model.channels.size()), options);
  if (progress) progress->finish();
  const double window = static_cast<double>(options_.rule.window) / double{kSecond};
  for (const NeuralWeights& weights : fit.networks) {
    const NeuralNetwork network(weights);
    for (std::uint32_t c = 0; c < fitted.values.size(); ++c)
      fitted.values[c] += network.lone_effect(c, window) / static_cast<double>(fit.networks.size());
  }
  model.neural = std::move(fit.networks);
  model.neural_report = fit.report;
  return fitted;
}

ChannelModel ChannelFit::model() {
  ChannelModel model;
  model.channels = renumber_by_name();
  model.alone = coalitions_.singles();
  model.total = coalitions_.total();
  model.coalitions = coalitions_.coalitions().size();
  fit_mechanisms(coalitions_, markov_ ? &*markov_ : nullptr, shapley_, logistic_, options_, model);
  if (hazard_) model.mechanisms.push_back(fit_hazard(model));
  if (moments_) model.mechanisms.push_back(fit_network(model));
  return model;
}

std::string channel_model_json(const ChannelModel& model) {
  ordered_json channels = ordered_json::array();
  for (std::size_t c = 0; c < model.channels.size(); ++c) {
    ordered_json entry = {{"channel", model.channels[c]}};
    for (const FittedMechanism& fitted : model.mechanisms)
      entry[std::string(name_of(fitted.mechanism))] = fitted.values[c];
    entry["journeys_alone"] = model.alone[c].journeys;
    entry["conversions_alone"] = model.alone[c].conversions;
    channels.push_back(entry);
  }
  ordered_json json = {
      {"format", kFormat}, {"journeys", model.total.journeys}, {"conversions", model.total.conversions}};
  if (model.hazard_delay_seconds > 0) json[kDelay] = model.hazard_delay_seconds;
  json["channels"] = channels;
  for (const NeuralWeights& network : model.neural)
    json[kNetworks].push_back(neural_json(network, model.channels.size()));
  return json.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

ChannelModel read_channel_model(const std::string& path, const std::vector<Mechanism>& wanted) {
  const ordered_json json = ordered_json::parse(read_file(path), nullptr, false);
  ChannelModel model;
  try {
    if (const int format = json.at("format").get<int>(); format != kFormat)
      fail("{}: its format is version {}, this program reads {}; fit it again", path, format, kFormat);
    model.total = {json.at("journeys").get<std::uint64_t>(), json.at("conversions").get<std::uint64_t>()};
    const ordered_json& channels = json.at("channels");
    for (const Mechanism kind : fitted_kinds()) {
      const std::string name(name_of(kind));
      const bool known = !channels.empty() && channels.front().contains(name);
      if (!known && wants(wanted, kind))
        fail("{}: it has no values of '{}'; attribute with --mechanisms {} fits and writes them", path, name, name);
      if (known) model.mechanisms.push_back({kind, {}});
    }
    if (json.contains(kDelay)) model.hazard_delay_seconds = json.at(kDelay).get<double>();
    for (const ordered_json& entry : channels) {
      model.channels.push_back(entry.at("channel").get<std::string>());
      model.alone.push_back(
          {entry.at("journeys_alone").get<std::uint64_t>(), entry.at("conversions_alone").get<std::uint64_t>()});
      for (FittedMechanism& fitted : model.mechanisms) {
        const double value = entry.at(std::string(name_of(fitted.mechanism))).get<double>();
        fitted.values.push_back(value);
      }
    }
    if (json.contains(kNetworks))
      for (const ordered_json& network : json.at(kNetworks))
        model.neural.push_back(neural_weights(network, model.channels.size(), path));
  } catch (const ordered_json::exception&) {
    fail("{}: it is no channel model as attribute writes it (channel_model.json)", path);
  }
  if (!model.values(Mechanism::additive_hazard).empty() && !(model.hazard_delay_seconds > 0))
    fail("{}: {} has to be a number of seconds above 0", path, kDelay);
  if (model.neural.empty() &&
      std::ranges::any_of(model.values(Mechanism::neural), [](double value) { return value != 0; }))
    fail("{}: it has no {}, which credits by neural are made of; fit it again", path, kNetworks);
  std::vector<std::string> names = model.channels;
  std::ranges::sort(names);
  if (const auto twice = std::ranges::adjacent_find(names); twice != names.end())
    fail("{}: channel '{}' stands twice", path, *twice);
  return model;
}

ChannelModel model_for_log(const ChannelModel& model, const Interner& channels) {
  std::unordered_map<std::string, std::size_t> places;
  for (std::size_t c = 0; c < model.channels.size(); ++c) places.emplace(model.channels[c], c);
  ChannelModel result;
  result.total = model.total;
  result.coalitions = model.coalitions;
  result.exact = model.exact;
  result.hazard_delay_seconds = model.hazard_delay_seconds;
  result.neural = model.neural;
  result.neural_report = model.neural_report;
  for (const FittedMechanism& fitted : model.mechanisms) result.mechanisms.push_back({fitted.mechanism, {}});
  for (std::uint32_t c = 0; c < channels.size(); ++c) {
    result.channels.push_back(channels.name(c));
    const auto found = places.find(channels.name(c));
    const bool known = found != places.end();
    result.known.push_back(known);
    result.neural_numbers.push_back(known ? static_cast<std::uint32_t>(found->second) : kNoChannel);
    result.alone.push_back(known ? model.alone[found->second] : CoalitionCount{});
    for (std::size_t m = 0; m < model.mechanisms.size(); ++m)
      result.mechanisms[m].values.push_back(known ? model.mechanisms[m].values[found->second] : 0.0);
  }
  return result;
}

}  // namespace mal

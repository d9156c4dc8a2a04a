#include "train/attribution/markov_totals.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "engine/error.h"
#include "train/attribution/attribute.h"
#include "train/attribution/channel_totals.h"
#include "train/attribution/text.h"

namespace mal {

namespace {

std::uint32_t first_order(const MarkovOptions& options) {
  return options.choose_up_to > 0 ? 1 : options.order;
}

std::uint32_t last_order(const MarkovOptions& options) {
  return options.choose_up_to > 0 ? options.choose_up_to : options.order;
}

void append_double(std::string& row, double number) {
  fmt::format_to(std::back_inserter(row), ",{}", number);  // the shortest text that reads back as the same number
}

}  // namespace

MarkovOptions markov_options(const AttributeOptions& options) {
  return {options.markov_order, options.choose_order ? options.max_order : 0};
}

void check_markov_options(const MarkovOptions& options, bool fitted) {
  if (!fitted && (options.order != 1 || options.choose_up_to > 0))
    fail_usage("{}: no mechanism is fitted to a Markov chain; add markov to --mechanisms{}",
               options.choose_up_to > 0 ? "--choose-order" : "--markov-order",
               " (and leave --channel-model out, which gives fitted values)");
  if (options.order < 1 || options.order > WalkChain::kMaxOrder)
    fail_usage("--markov-order {}: 1 to {} are possible", options.order, WalkChain::kMaxOrder);
  if (options.choose_up_to > WalkChain::kMaxOrder)
    fail_usage("--max-order {}: 1 to {} are possible", options.choose_up_to, WalkChain::kMaxOrder);
  if (options.choose_up_to > 0 && options.order != 1)
    fail_usage("--markov-order and --choose-order exclude each other; --max-order says how far to look");
}

MarkovFit::MarkovFit(const MarkovOptions& options) {
  for (std::uint32_t order = first_order(options); order <= last_order(options); ++order) chains_.emplace_back(order);
  if (options.choose_up_to > 0) choice_.emplace(options.choose_up_to);
}

void MarkovFit::add(std::span<const std::uint32_t> channels, const WalkOutcome& outcome) {
  for (WalkChain& chain : chains_) chain.add(channels, outcome);
}

void MarkovFit::add_to_choice(std::span<const std::uint64_t> keys, const OrderChoice::Counts& conversions,
                              const OrderChoice::Counts& nulls) {
  choice_->add(keys, conversions, nulls);
}

MarkovTotals MarkovFit::totals(const std::vector<std::string>& names, std::span<const std::uint32_t> number) const {
  MarkovTotals totals;
  if (choice_) totals.scores = choice_->scores();
  const std::size_t chosen = choice_ ? OrderChoice::best(totals.scores) - 1 : 0;
  totals.order = chains_[chosen].order();
  totals.channels = names;
  totals.chain = chains_[chosen].table(number);
  totals.effects = removal_effects(totals.chain);
  totals.conversion_share = shares_of(totals.effects.conversions);
  const bool has_value = std::ranges::any_of(totals.effects.value, [](double effect) { return effect > 0; });
  if (has_value) totals.value_share = shares_of(totals.effects.value);
  return totals;
}

std::string state_name(const MarkovTotals& totals, const ChainTable::State& state) {
  if (state.channels.empty()) return "(start)";
  std::string name;
  for (const std::uint32_t channel : state.channels) name += (name.empty() ? "" : " > ") + totals.channels[channel];
  return name;
}

std::string transitions_csv(const MarkovTotals& totals) {
  std::vector<std::string> names;
  for (const ChainTable::State& state : totals.chain.states) names.push_back(state_name(totals, state));
  std::string text = "from,to,probability,count\n";
  for (std::size_t s = 0; s < names.size(); ++s) {
    const ChainTable::State& state = totals.chain.states[s];
    const auto total = static_cast<double>(state.total());
    const auto line = [&](const std::string& to, std::uint64_t count) {
      if (count == 0) return;
      append_field(text, names[s]);
      text += ',';
      append_field(text, to);
      append_double(text, static_cast<double>(count) / total);
      fmt::format_to(std::back_inserter(text), ",{}\n", count);
    };
    for (const ChainTable::Step& step : state.steps) line(names[step.to], step.count);
    line("(conversion)", state.conversions);
    line("(null)", state.nulls);
  }
  return text;
}

std::string removal_effects_csv(const MarkovTotals& totals) {
  const bool has_value = !totals.value_share.empty();
  std::string text = has_value ? "channel,effect,share,value_effect,value_share\n" : "channel,effect,share\n";
  std::vector<std::size_t> order(totals.channels.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::ranges::greater{}, [&](std::size_t c) { return totals.effects.conversions[c]; });
  for (const std::size_t c : order) {
    append_field(text, totals.channels[c]);
    append_double(text, totals.effects.conversions[c]);
    append_double(text, totals.conversion_share[c]);
    if (has_value) {
      append_double(text, totals.effects.value[c]);
      append_double(text, totals.value_share[c]);
    }
    text += '\n';
  }
  return text;
}

std::string order_text(const MarkovTotals& totals) {
  if (totals.scores.empty()) return "";
  std::string text = "\norder of the Markov chain: do the last channels tell whether a journey converts, held out?\n";
  text += fmt::format("{:<6} {:>9} {:>9} {:>15}\n", "order", "endings", "AUC", "standard error");
  for (const OrderScore& score : totals.scores)
    text += fmt::format("{:<6} {:>9} {:>9.5f} {:>15.5f}{}\n", score.order, score.states, score.auc,
                        score.standard_error, score.order == totals.order ? "  chosen" : "");
  return text;
}

void add_markov_total(const MarkovTotals& totals, double conversions, double value, ChannelTable& table) {
  table.mechanisms.emplace_back("markov_total");
  const std::vector<double>& of_value = totals.value_share.empty() ? totals.conversion_share : totals.value_share;
  for (ChannelTotals& channel : table.channels) {
    const auto found = std::ranges::lower_bound(totals.channels, channel.name);
    const auto c = static_cast<std::size_t>(found - totals.channels.begin());
    const bool known = found != totals.channels.end() && *found == channel.name;
    channel.credits.push_back(
        known ? ChannelCredit{.conversions = totals.conversion_share[c] * conversions, .value = of_value[c] * value}
              : ChannelCredit{});
  }
}

nlohmann::ordered_json markov_json(const MarkovTotals& totals) {
  using nlohmann::ordered_json;
  ordered_json json = {{"order", totals.order},
                       {"states", totals.chain.states.size() - 1},
                       {"steps", totals.chain.steps()},
                       {"channels", ordered_json::array()}};
  for (std::size_t c = 0; c < totals.channels.size(); ++c) {
    ordered_json entry = {{"channel", totals.channels[c]},
                          {"effect", totals.effects.conversions[c]},
                          {"share", totals.conversion_share[c]}};
    if (!totals.value_share.empty()) {
      entry["value_effect"] = totals.effects.value[c];
      entry["value_share"] = totals.value_share[c];
    }
    json["channels"].push_back(entry);
  }
  for (const OrderScore& score : totals.scores)
    json["orders"].push_back({{"order", score.order},
                              {"endings", score.states},
                              {"auc", score.auc},
                              {"standard_error", score.standard_error}});
  return json;
}

}  // namespace mal

// What attribute() found, for people and as attribution.json.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "train/attribution/attribute.h"
#include "train/attribution/bootstrap.h"
#include "train/attribution/channel_report.h"
#include "train/attribution/text.h"
#include "train/attribution/unmatched.h"

namespace mal {

namespace {

using nlohmann::ordered_json;

constexpr std::size_t kLinesShown = 20;  // of slices and of channels; the JSON has all

double ratio(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::uint64_t test_clicks(const AttributeReport& r) {
  return r.clicks - r.train_clicks - r.gap_clicks - r.later_clicks - r.earlier_clicks - r.left_out_clicks;
}

std::string identity_text(const AttributeReport& r) {
  const IdentityCounts& i = r.identity;
  if (r.identity_files.empty()) return "";
  std::string text = fmt::format("{} of the {} of --identity {} in the log: {} and {} got their user from it\n",
                                 i.ids_in_log, plural(i.ids, "id"), i.ids_in_log == 1 ? "is" : "are",
                                 plural(i.rows.clicks, "click"), plural(i.rows.conversions, "conversion"));
  if (i.skipped_rows > 0)
    text += fmt::format("{} of --identity without an id or a user left out by --drop-anonymous\n",
                        plural(i.skipped_rows, "row"));
  return text;
}

std::string counts_text(const AttributeReport& r) {
  std::string text = fmt::format("{} of {}, {} to {}\n", plural(r.clicks, "click"), plural(r.users, "user"),
                                 date_of(r.first_time), date_of(r.last_time));
  for (std::size_t event = 0; event < r.events.size(); ++event)
    text += fmt::format("{}{} {}{}", event == 0 ? "events: " : ", ", r.events[event].second, r.events[event].first,
                        event + 1 < r.events.size() ? ""
                        : r.left_out_clicks == 0
                            ? "\n"
                            : fmt::format("; {} in no file, but in journeys (--keep-events)\n", r.left_out_clicks));
  for (const std::string& note : r.notes.lines()) text += note + "\n";
  if (r.skipped_rows > 0)
    text += fmt::format("{} of {} rows are neither click nor conversion, or left out\n", r.skipped_rows, r.rows);
  if (r.anonymous.clicks + r.anonymous.conversions > 0)
    text += fmt::format("{} and {} without a user left out by --drop-anonymous\n", plural(r.anonymous.clicks, "click"),
                        plural(r.anonymous.conversions, "conversion"));
  text += identity_text(r);
  if (r.dropped_touches > 0) text += fmt::format("{} touches cut off by --truncate\n", r.dropped_touches);
  text += fmt::format("{}, {} of them without a click in the window\n", plural(r.conversions, "conversion"),
                      r.conversions_without_clicks);
  text += unmatched_text(r);
  text += fmt::format("{}: {:.2f} clicks on average, {:.1f} % of one click, longest {}; {} in more than one journey\n",
                      plural(r.journeys, "journey"), ratio(r.journey_clicks, r.journeys),
                      100 * ratio(r.single_click_journeys, r.journeys), r.longest_journey,
                      plural(r.clicks_in_several_journeys, "click"));
  if (r.split)
    text += fmt::format("{}train.csv {}, {}test.csv {} from {} on{}\n",
                        r.earlier_clicks == 0 ? "" : fmt::format("earlier {}, ", plural(r.earlier_clicks, "click")),
                        plural(r.train_clicks, "click"),
                        r.gap_clicks == 0 ? "" : fmt::format("gap {}, ", plural(r.gap_clicks, "click")),
                        plural(test_clicks(r), "click"), date_of(r.test_start),
                        r.later_clicks == 0 ? "" : fmt::format(", later {}", plural(r.later_clicks, "click")));
  if (r.train_clicks_of_test_conversions > 0)
    text += fmt::format("{} of train.csv {} in journeys that convert in the test period, {}credited for it\n",
                        plural(r.train_clicks_of_test_conversions, "click"),
                        r.train_clicks_of_test_conversions == 1 ? "is" : "are", r.known_labels ? "not " : "");
  return text;
}

// What clicks of several journeys did not get, if they did not.
std::string cut_text(const AttributeReport& r) {
  std::string text;
  for (const MechanismReport& m : r.mechanisms)
    if (m.cut_credit > 0) text += fmt::format("{}{} {:.2f}", text.empty() ? "" : ", ", m.name, m.cut_credit);
  if (text.empty()) return text;
  return fmt::format(
      "a click gets 1 at most: credit cut from clicks in several journeys, of {}: {} (--restart: none is in two)\n",
      plural(r.journeys, "credited conversion"), text);
}

std::string mechanisms_text(const AttributeReport& r, bool with_truth) {
  std::size_t width = 12;
  for (const MechanismReport& m : r.mechanisms) width = std::max(width, m.name.size());
  std::string text = fmt::format("\n{:<{}} {:>10} {:>9} {:>14}{}\n", "mechanism", width, "positives", "of clicks",
                                 "ratio to last", with_truth ? "  distance from truth" : "");
  for (const MechanismReport& m : r.mechanisms) {
    text += fmt::format("{:<{}} {:>10} {:>8.2f}% {:>14.3f}", m.name, width, m.positives,
                        100 * ratio(m.positives, r.clicks), ratio(m.positives, r.last_positives));
    text += with_truth ? fmt::format("  {:>19.4f}\n", m.truth_error) : "\n";
  }
  return text + cut_text(r);
}

// One line a slice: its clicks, then a value a mechanism.
template <typename Value>
std::string slice_lines(const AttributeReport& r, std::string_view unit, const Value& value) {
  std::string text = fmt::format("{:<20} {:>9}", r.by, "clicks");
  for (const MechanismReport& m : r.mechanisms) text += fmt::format(" {:>17}", m.name + std::string(unit));
  text += '\n';
  for (std::size_t s = 0; s < std::min(kLinesShown, r.slices.size()); ++s) {
    text += fmt::format("{:<20} {:>9}", r.slices[s].value, r.slices[s].clicks);
    for (std::size_t m = 0; m < r.mechanisms.size(); ++m) text += fmt::format(" {:>17}", value(r.slices[s], m));
    text += '\n';
  }
  if (r.slices.size() > kLinesShown)
    text += fmt::format("… and {} more in attribution.json\n", r.slices.size() - kLinesShown);
  return text;
}

std::string slices_text(const AttributeReport& r) {
  std::string text = fmt::format("\ncredit by {}: how many conversions each mechanism gives to its clicks\n", r.by);
  text += slice_lines(r, " credit",
                      [](const SliceReport& slice, std::size_t m) { return fmt::format("{:.2f}", slice.credit[m]); });
  text += fmt::format("\nclicks by {} that got any credit, be it little: labels above 0, not conversions\n", r.by);
  text += slice_lines(r, " > 0",
                      [](const SliceReport& slice, std::size_t m) { return fmt::format("{}", slice.positives[m]); });
  return text;
}

// "shapley, markov and logistic equal linear"
std::string equal_linear(const std::vector<std::string>& names) {
  return and_list(names) + (names.size() == 1 ? " equals linear" : " equal linear");
}

// Why the fit says nothing; empty where it does.
std::string nothing_learned(const AttributeReport& r) {
  if (r.fit_learned) return "";
  const std::uint64_t journeys = r.fit_total.journeys, conversions = r.fit_total.conversions;
  const std::string which = journeys == 0      ? "there is no journey in the fit"
                            : journeys == 1    ? fmt::format("the only journey of the fit {}",
                                                          conversions == 0 ? "does not convert" : "converts")
                            : conversions == 0 ? fmt::format("none of the {} journeys of the fit converts", journeys)
                                               : fmt::format("all {} journeys of the fit convert", journeys);
  return fmt::format("nothing can be learned: {}, so {}; the fit needs journeys of both kinds", which,
                     equal_linear(r.fitted_mechanisms));
}

// The mechanisms whose value of the channel is below 0, which counts as 0.
std::vector<std::string> clipped_by(const AttributeReport& r, const ChannelReport& channel) {
  std::vector<std::string> names;
  for (std::size_t m = 0; m < channel.values.size(); ++m)
    if (channel.values[m] < 0) names.push_back(r.fitted_mechanisms[m]);
  return names;
}

// What a value does not say by itself: "  clipped", or by which of several mechanisms.
std::string mark(const AttributeReport& r, const ChannelReport& channel) {
  if (channel.excluded) return "  excluded";
  if (!channel.known) return fmt::format("  not in the {}", r.channel_model.empty() ? "fit" : "model");
  const std::vector<std::string> names = clipped_by(r, channel);
  if (names.empty()) return "";
  return r.fitted_mechanisms.size() == 1 ? "  clipped" : fmt::format("  clipped: {}", fmt::join(names, ", "));
}

std::string channels_text(const AttributeReport& r) {
  std::string text = fmt::format("\n{:<20} {:>9} {:>14} {:>11}", "channel", "clicks", "journeys alone", "converting");
  for (const std::string& mechanism : r.fitted_mechanisms) text += fmt::format(" {:>14}", mechanism + " value");
  text += '\n';
  for (std::size_t c = 0; c < std::min(kLinesShown, r.channels.size()); ++c) {
    const ChannelReport& channel = r.channels[c];
    text += fmt::format("{:<20} {:>9} {:>14} {:>10.2f}%", channel.name, channel.clicks, channel.alone.journeys,
                        100 * ratio(channel.alone.conversions, channel.alone.journeys));
    for (std::size_t m = 0; m < channel.values.size(); ++m)
      text +=
          fmt::format(" {:>{}.6f}", channel.values[m], std::max<std::size_t>(14, r.fitted_mechanisms[m].size() + 6));
    text += mark(r, channel) + '\n';
  }
  if (r.channels.size() > kLinesShown)
    text += fmt::format("… and {} more in attribution.json\n", r.channels.size() - kLinesShown);
  const auto clipped = static_cast<std::uint64_t>(
      std::ranges::count_if(r.channels, [&](const ChannelReport& channel) { return !clipped_by(r, channel).empty(); }));
  if (clipped > 0)
    text += fmt::format("{} clipped: a value below 0 counts as 0, no credit beside a channel above 0\n",
                        plural(clipped, "channel"));
  return text;
}

std::string delay_text(const AttributeReport& r) {
  if (r.fit_delay_seconds <= 0) return "";
  return fmt::format("additive_hazard: what a click does fades with a mean delay of {:.3g} days\n",
                     r.fit_delay_seconds / 86400);
}

std::string neural_text(const AttributeReport& r) {
  const NeuralFitReport& n = r.neural;
  if (std::ranges::find(r.fitted_mechanisms, "neural") == r.fitted_mechanisms.end()) return "";
  if (n.conversions == 0 || n.controls == 0) return "neural: no moments of both kinds, so it equals linear\n";
  std::string text = fmt::format("neural: trained on {} and {}", plural(n.conversions, "conversion"),
                                 plural(n.controls, "other moment"));
  if (n.held_out_loss > 0)
    text += fmt::format("; loss {:.4f} where not trained on", n.held_out_loss);
  else
    text += "; too few users to hold some out and see how well";
  return text + "\n";
}

std::string fit_text(const AttributeReport& r) {
  const std::string nothing = nothing_learned(r).empty() ? "" : nothing_learned(r) + "\n";
  if (!r.channel_model.empty())
    return fmt::format("values of {}, fitted on {}; {} of channels that it does not know\n", r.channel_model,
                       plural(r.fit_total.journeys, "journey"), plural(r.unknown_channel_clicks, "click")) +
           (nothing.empty() ? delay_text(r) : nothing);
  const bool shapley = std::ranges::find(r.fitted_mechanisms, "shapley") != r.fitted_mechanisms.end();
  const char* how = !shapley || !r.fit_learned ? "" : r.fit_exact ? " (exact)" : " (sampled)";
  std::string text = fmt::format("fitted on {}, {} of them converting, {}{}\n", plural(r.fit_total.journeys, "journey"),
                                 r.fit_total.conversions, plural(r.fit_coalitions, "coalition"), how);
  if (r.unknown_channel_clicks > 0)
    text += fmt::format("{} of channels that no journey of the fit touches, so their value is 0\n",
                        plural(r.unknown_channel_clicks, "click"));
  if (!nothing.empty()) return text + nothing;
  text += delay_text(r) + neural_text(r);
  if (r.fit_single_channel) {
    std::vector<std::string> by_channel = r.fitted_mechanisms;  // the last two look at time, too
    std::erase(by_channel, "additive_hazard");
    std::erase(by_channel, "neural");
    if (!by_channel.empty())
      text += fmt::format("every journey has one channel, so {}; name another column by --channel\n",
                          equal_linear(by_channel));
  } else if (r.fit_coalitions == 1) {
    // markov looks at the order.
    std::vector<std::string> by_set;
    for (const char* name : {"shapley", "logistic"})
      if (std::ranges::find(r.fitted_mechanisms, name) != r.fitted_mechanisms.end()) by_set.emplace_back(name);
    const auto channels =
        std::ranges::count_if(r.channels, [](const ChannelReport& c) { return c.known && !c.excluded; });
    if (!by_set.empty())
      text += fmt::format("every journey touches the same {} channels, so {}\n", channels, equal_linear(by_set));
  }
  return text;
}

std::string intervals_text(const ChannelTable& table) {
  if (table.resamples == 0) return "";
  std::string text = fmt::format("[low high]: {:.0f} % intervals from {} resamples of the users",
                                 100 * Bootstrap::kInterval, table.resamples);
  if (const std::string without = without_interval_text(table); !without.empty()) text += "; " + without;
  return text + "\n";
}

// Of what the table of channels is the sum.
std::string value_text(const AttributeReport& r) {
  std::string text = fmt::format("sums of a mechanism: {}", plural(r.journeys, "credited conversion"));
  if (r.table.has_value) text += fmt::format(", worth {:.2f}; all conversions: {:.2f}", r.credited_value, r.value);
  return text + "\n" + intervals_text(r.table);
}

// Without their folders: the same input gives the same bytes wherever it lies.
std::vector<std::string> file_names(const std::vector<std::string>& paths) {
  std::vector<std::string> names;
  names.reserve(paths.size());
  for (const std::string& path : paths) names.push_back(std::filesystem::path(path).filename().string());
  return names;
}

ordered_json parameters_json(const AttributeOptions& o) {
  ordered_json json = {{"format", o.format},
                       {"in", file_names(o.inputs)},
                       {"conversions", file_names(o.conversions)},
                       {"mechanisms", o.mechanisms},
                       {"mta", o.mta},
                       {"window_seconds", o.window},
                       {"half_life_seconds", o.half_life},
                       {"seed", o.seed}};
  if (!o.channel_model.empty()) json["channel_model"] = std::filesystem::path(o.channel_model).filename().string();
  if (o.position != PositionWeights())
    json["position_weights"] = {o.position.first, o.position.middle, o.position.last};
  if (o.restart) json["restart"] = true;
  if (!o.exclude_channels.empty()) json["exclude_channels"] = o.exclude_channels;
  if (!o.exclude_events.empty()) json["exclude_events"] = o.exclude_events;
  if (!o.keep_events.empty()) json["keep_events"] = o.keep_events;
  for (const OwnWindow& event : o.click_events)
    if (!o.event.empty() && (event.seconds != 0 || o.click_events.size() > 1))
      json["click_event_seconds"][event.name] = event.seconds != 0 ? event.seconds : o.window;
  for (const OwnWindow& channel : o.lookback) json["lookback_seconds"][channel.name] = channel.seconds;
  if (o.train_labels != "final") json["train_labels"] = o.train_labels;
  if (o.delay_weights) json["delay_weights"] = o.delay_weights->empty() ? o.mechanisms.front() : *o.delay_weights;
  if (!o.delay_by.empty()) json["delay_by"] = o.delay_by;
  if (!o.train_from.empty()) json["train_from"] = o.train_from;
  if (!o.test_to.empty()) json["test_to"] = o.test_to;
  if (o.gap > 0) json["gap_seconds"] = o.gap;
  if (o.drop_anonymous) json["drop_anonymous"] = true;
  if (!o.identity.empty()) json["identity"] = file_names(o.identity);
  if (o.na) json["na"] = *o.na;
  if (o.value) json["value"] = *o.value;
  if (!o.cost.empty()) json["cost"] = o.cost;
  if (o.bootstrap > 0) json["bootstrap"] = o.bootstrap;
  if (!o.from.empty()) json["from"] = o.from;
  if (!o.to.empty()) json["to"] = o.to;
  if (o.truncate > 0) json["truncate_seconds"] = o.truncate;
  if (!o.history.empty()) json["history"] = {{"columns", o.history}, {"length", o.history_length}};
  if (o.time_format.utc_offset != 0) json["utc_offset_seconds"] = o.time_format.utc_offset;
  if (o.time_format.unit_given) json["time_units_a_second"] = o.time_format.units_a_second;
  return json;
}

// Whole seconds are integers.
ordered_json seconds_json(std::int64_t time) {
  if (time % kSecond == 0) return time / kSecond;
  return static_cast<double>(time) / double{kSecond};
}

// median_…: null where there is none.
ordered_json unmatched_json(const UnmatchedReport& u) {
  const auto median = [](std::uint64_t count, std::int64_t seconds) {
    return count > 0 ? ordered_json(seconds) : ordered_json(nullptr);
  };
  return {{"never_clicked", u.never_clicked},
          {"other_keys", u.other_keys},
          {"clicked_later", u.clicked_later},
          {"median_lead_seconds", median(u.clicked_later, u.median_lead)},
          {"before_window", u.before_window},
          {"median_gap_seconds", median(u.before_window, u.median_gap)},
          {"used_before", u.used_before},
          {"ruled_out", u.ruled_out},
          {"before_first_click", u.before_first_click}};
}

ordered_json identity_json(const AttributeReport& r) {
  if (r.identity_files.empty()) return nullptr;
  const IdentityCounts& i = r.identity;
  return {{"ids", i.ids},
          {"ids_in_log", i.ids_in_log},
          {"clicks", i.rows.clicks},
          {"conversions", i.rows.conversions},
          {"skipped_rows", i.skipped_rows}};
}

ordered_json counts_json(const AttributeReport& r) {
  return {{"rows", r.rows},
          {"skipped_rows", r.skipped_rows},
          {"anonymous_clicks", r.anonymous.clicks},
          {"anonymous_conversions", r.anonymous.conversions},
          {"identity", identity_json(r)},
          {"dropped_touches", r.dropped_touches},
          {"clicks", r.clicks},
          {"users", r.users},
          {"earlier_clicks", r.earlier_clicks},
          {"train_clicks", r.train_clicks},
          {"gap_clicks", r.gap_clicks},
          {"test_clicks", test_clicks(r)},
          {"later_clicks", r.later_clicks},
          {"first_time", seconds_json(r.first_time)},
          {"last_time", seconds_json(r.last_time)},
          {"test_start", r.split ? seconds_json(r.test_start) : ordered_json(nullptr)},
          {"conversions", r.conversions},
          {"conversions_without_clicks", r.conversions_without_clicks},
          {"unmatched", unmatched_json(r.unmatched)},
          {"copied_conversions", r.copies.conversions},
          {"copied_clicks", r.copies.clicks},
          {"journeys", r.journeys},
          {"journey_clicks", r.journey_clicks},
          {"single_click_journeys", r.single_click_journeys},
          {"longest_journey", r.longest_journey},
          {"clicks_in_journeys", r.clicks_in_journeys},
          {"clicks_in_several_journeys", r.clicks_in_several_journeys},
          {"train_clicks_of_test_conversions", r.train_clicks_of_test_conversions},
          {"last_positives", r.last_positives}};
}

ordered_json channel_report_json(const AttributeReport& r) {
  ordered_json json = {{"credited_conversions", r.journeys}};
  if (r.table.has_value) {
    json["value"] = r.value;
    json["credited_value"] = r.credited_value;
  }
  if (r.table.resamples > 0) json["interval"] = Bootstrap::kInterval;
  json["channels"] = channel_table_json(r.table);
  return json;
}

ordered_json fit_json(const AttributeReport& r) {
  ordered_json channels = ordered_json::array();
  for (const ChannelReport& c : r.channels) {
    ordered_json entry = {{"channel", c.name},
                          {"clicks", c.clicks},
                          {"journeys_alone", c.alone.journeys},
                          {"conversions_alone", c.alone.conversions},
                          {"in_fit", c.known},
                          {"clipped", clipped_by(r, c)}};
    if (c.excluded) entry["excluded"] = true;
    for (std::size_t m = 0; m < c.values.size(); ++m) entry[r.fitted_mechanisms[m] + "_value"] = c.values[m];
    channels.push_back(entry);
  }
  ordered_json json = {{"exact", r.fit_exact},
                       {"journeys", r.fit_total.journeys},
                       {"conversions", r.fit_total.conversions},
                       {"coalitions", r.fit_coalitions},
                       {"channels", channels}};
  if (r.fit_delay_seconds > 0 && r.fit_learned) json["additive_hazard_delay_seconds"] = r.fit_delay_seconds;
  if (const NeuralFitReport& n = r.neural; n.conversions > 0 && n.controls > 0)
    json["neural"] = {{"conversions", n.conversions},
                      {"controls", n.controls},
                      {"held_out", n.held_out},
                      {"held_out_loss", n.held_out_loss > 0 ? ordered_json(n.held_out_loss) : ordered_json(nullptr)}};
  if (!r.fit_learned) json["nothing_learned"] = nothing_learned(r);
  return json;
}

}  // namespace

std::string summary(const AttributeReport& report) {
  const bool with_truth =
      std::any_of(report.mechanisms.begin(), report.mechanisms.end(), [](const auto& m) { return m.truth_error > 0; });
  std::string text = counts_text(report) + mechanisms_text(report, with_truth);
  if (report.delay) text += delay_weights_text(*report.delay);
  if (!report.slices.empty()) text += slices_text(report);
  if (report.fitted) text += channels_text(report) + fit_text(report);
  if (report.markov) text += order_text(*report.markov);
  if (report.table_shown) text += channel_table_text(report.table) + value_text(report);
  return text;
}

std::string to_json(const AttributeOptions& options, const AttributeReport& report) {
  ordered_json json = {{"parameters", parameters_json(options)}, {"counts", counts_json(report)}};
  for (const auto& [event, clicks] : report.events) json["counts"]["events"][event] = clicks;
  if (!report.events.empty()) json["counts"]["left_out_clicks"] = report.left_out_clicks;
  if (!report.notes.lines().empty()) json["notes"] = report.notes.lines();
  for (const MechanismReport& m : report.mechanisms) {
    ordered_json entry = {{"positives", m.positives},
                          {"test_positives", m.test_positives},
                          {"ratio_to_last", ratio(m.positives, report.last_positives)},
                          {"credit", m.credit},
                          {"cut_credit", m.cut_credit}};
    if (!options.truth.empty()) entry["distance_from_truth"] = m.truth_error;
    json["mechanisms"][m.name] = entry;
  }
  for (const SliceReport& slice : report.slices) {
    ordered_json entry = {{"clicks", slice.clicks}, {"last", slice.last}};
    for (std::size_t m = 0; m < slice.positives.size(); ++m) {
      const std::string& name = report.mechanisms[m].name;
      entry["credit"][name] = slice.credit[m];
      entry["positives"][name] = slice.positives[m];
      entry["ratio_to_last"][name] = ratio(slice.positives[m], slice.last);
    }
    json["by"][options.by][slice.value] = entry;
  }
  if (report.delay) json["delay_weights"] = delay_weights_json(*report.delay);
  if (report.fitted) json["fit"] = fit_json(report);
  if (report.markov) json["markov"] = markov_json(*report.markov);
  json["channel_report"] = channel_report_json(report);
  json["columns"] = report.columns;
  // Names come from the input and may be anything but UTF-8.
  return json.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace mal

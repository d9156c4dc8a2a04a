#include "train/attribution/attribute.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>
#include "engine/error.h"
#include "engine/file.h"
#include "train/attribution/channel_model.h"
#include "train/attribution/credits.h"
#include "train/attribution/read_clicks.h"
#include "train/attribution/sample_writer.h"
#include "train/attribution/text.h"
#include "train/config/progress.h"

namespace mal {

namespace {

constexpr const char* kMarker = "attribution.json";
constexpr std::int64_t kForever = std::numeric_limits<std::int64_t>::max();

ReadProgress reading_progress(bool shown) {
  if (!shown) return [](const TextTable&) {};
  // One line a file: a new one begins where the path changes.
  struct Line {
    std::string path;
    std::unique_ptr<Progress> progress;
  };
  return [line = std::make_shared<Line>()](const TextTable& table) {
    if (line->path != table.path()) {
      if (line->progress) line->progress->finish();
      line->path = table.path();
      line->progress = std::make_unique<Progress>("read " + line->path, table.bytes_total());
    }
    line->progress->update(table.bytes_read());
  };
}

// The first moment of the test period.
std::int64_t find_test_start(const AttributeOptions& options, const AttributeReport& report) {
  if (!options.test_from.empty()) {
    const std::int64_t start = parse_time(options.test_from, "--test-from", options.utc_offset);
    if (start <= report.first_time || start > report.last_time)
      fail_usage("--test-from {}: the clicks are from {} to {}, so {} would be empty", options.test_from,
                 date_of(report.first_time), date_of(report.last_time),
                 start <= report.first_time ? "train.csv" : "test.csv");
    return start;
  }
  const std::int64_t last_day = (report.last_time + options.utc_offset) / 86400;
  const std::int64_t start = (last_day - options.test_days + 1) * 86400 - options.utc_offset;
  if (start <= report.first_time)
    fail_usage("--test-days {}: the clicks are from {} to {}, so train.csv would be empty", options.test_days,
               date_of(report.first_time), date_of(report.last_time));
  return start;
}

// The first moment after the test period.
std::int64_t find_test_end(const AttributeOptions& options, const AttributeReport& report) {
  if (options.test_to.empty()) return kForever;
  const std::int64_t end = parse_time(options.test_to, "--test-to", options.utc_offset);
  if (end <= report.test_start)
    fail_usage("--test-to {}: the test period begins at {}, so test.csv would be empty", options.test_to,
               date_of(report.test_start));
  return end;
}

void describe_clicks(const ClickLog& log, AttributeReport& report) {
  report.rows = log.rows;
  report.skipped_rows = log.skipped_rows;
  report.dropped_touches = log.dropped_touches;
  report.clicks = log.size();
  report.conversions = log.conversions.size();
  const auto [first, last] = std::minmax_element(log.time.begin(), log.time.end());
  report.first_time = *first;
  report.last_time = *last;
  std::vector<bool> seen(log.users.size(), false);
  for (const std::uint32_t user : log.user) seen[user] = true;
  report.users = static_cast<std::uint64_t>(std::count(seen.begin(), seen.end(), true));
}

void describe_journeys(const Journeys& journeys, const Credits& credits, AttributeReport& report) {
  report.conversions_without_clicks = journeys.conversions_without_clicks;
  report.journeys = journeys.converting.size();
  for (const JourneyRange& journey : journeys.converting) {
    const std::uint64_t clicks = journey.end - journey.begin;
    report.journey_clicks += clicks;
    report.single_click_journeys += clicks == 1 ? 1 : 0;
    report.longest_journey = std::max(report.longest_journey, clicks);
  }
  report.clicks_in_several_journeys = credits.clicks_in_several_journeys;
  report.last_positives = static_cast<std::uint64_t>(std::count(credits.is_last.begin(), credits.is_last.end(), true));
  for (const std::uint32_t length : credits.path_length) report.clicks_in_journeys += length > 0 ? 1 : 0;
}

// Clicks before `train_end` in a journey that converts at `start` or later: their labels look into the test period.
std::uint64_t early_clicks(const ClickLog& log, const ClickOrder& order, const Journeys& journeys,
                           std::int64_t train_end, std::int64_t start) {
  std::vector<bool> early(log.size(), false);
  for (const JourneyRange& journey : journeys.converting) {
    if (journey.conversion_time < start) continue;
    for (std::uint32_t position = journey.begin; position < journey.end; ++position) {
      const std::uint32_t click = order.by_group[position];
      if (log.time[click] < train_end) early[click] = true;
    }
  }
  return static_cast<std::uint64_t>(std::count(early.begin(), early.end(), true));
}

void describe_mechanisms(const ClickLog& log, const Credits& credits, const std::vector<NamedMechanism>& mechanisms,
                         AttributeReport& report) {
  for (std::size_t m = 0; m < mechanisms.size(); ++m) {
    MechanismReport entry;
    entry.name = mechanisms[m].name;
    double error = 0;
    std::uint64_t compared = 0;
    for (std::size_t click = 0; click < log.size(); ++click) {
      const float credit = credits.views[m][click];
      entry.credit += static_cast<double>(credit);
      if (credit > 0) {
        ++entry.positives;
        if (report.split && log.time[click] >= report.test_start && log.time[click] < report.test_end)
          ++entry.test_positives;
      }
      if (log.truth.empty() || (credit == 0 && log.truth[click] == 0)) continue;
      error += std::abs(static_cast<double>(credit) - static_cast<double>(log.truth[click]));
      ++compared;
    }
    if (compared > 0) entry.truth_error = error / static_cast<double>(compared);
    report.mechanisms.push_back(entry);
  }
}

void describe_slices(const ClickLog& log, const Credits& credits, AttributeReport& report) {
  if (log.slice.empty()) return;
  report.slices.resize(log.slices.size());
  for (std::uint32_t s = 0; s < log.slices.size(); ++s) {
    report.slices[s].value = log.slices.name(s);
    report.slices[s].positives.resize(credits.views.size());
  }
  for (std::size_t click = 0; click < log.size(); ++click) {
    SliceReport& slice = report.slices[log.slice[click]];
    ++slice.clicks;
    slice.last += credits.is_last[click] ? 1 : 0;
    for (std::size_t m = 0; m < credits.views.size(); ++m) slice.positives[m] += credits.views[m][click] > 0 ? 1 : 0;
  }
  std::stable_sort(report.slices.begin(), report.slices.end(),
                   [](const SliceReport& a, const SliceReport& b) { return a.clicks > b.clicks; });
}

void describe_channels(const ClickLog& log, const ChannelModel& model, AttributeReport& report) {
  report.fitted = true;
  report.fit_exact = model.exact;
  report.fit_total = model.total;
  report.fit_coalitions = model.coalitions;
  std::uint64_t alone = 0;
  for (const CoalitionCount& single : model.alone) alone += single.journeys;
  report.fit_single_channel = alone == model.total.journeys;
  for (const FittedMechanism& fitted : model.mechanisms)
    report.fitted_mechanisms.emplace_back(name_of(fitted.mechanism));
  for (std::size_t c = 0; c < model.channels.size(); ++c) {
    report.channels.push_back({model.channels[c], 0, model.alone[c], {}});
    for (const FittedMechanism& fitted : model.mechanisms) report.channels[c].values.push_back(fitted.values[c]);
  }
  for (const std::uint32_t channel : log.channel) ++report.channels[channel].clicks;
  std::stable_sort(report.channels.begin(), report.channels.end(),
                   [](const ChannelReport& a, const ChannelReport& b) { return a.values.front() > b.values.front(); });
}

// Fitted on this log, or given; and where fitted, written beside the samples. Empty without a data-driven mechanism.
ChannelModel channel_model(const AttributeOptions& options, const std::vector<NamedMechanism>& mechanisms,
                           const std::optional<ChannelModel>& given, const ClickLog& log, const ClickOrder& order,
                           const std::string& folder, AttributeReport& report) {
  std::vector<Mechanism> wanted;
  for (const NamedMechanism& named : mechanisms)
    if (needs_fit(named.mechanism)) wanted.push_back(named.mechanism);
  if (wanted.empty()) return {};
  ChannelModel model;
  if (given) {
    report.channel_model = options.channel_model;
    std::vector<bool> known(log.channels.size());
    for (std::uint32_t c = 0; c < log.channels.size(); ++c)
      known[c] = std::ranges::find(given->channels, log.channels.name(c)) != given->channels.end();
    for (const std::uint32_t channel : log.channel) report.unknown_channel_clicks += known[channel] ? 0 : 1;
    model = model_for_log(*given, log);
  } else {
    model = fit_channel_model(log, order, wanted,
                              {.rule = {options.window, options.restart},
                               .until = report.split ? report.test_start : kForever,
                               .seed = options.seed,
                               .exact_channels = options.exact_channels});
    OutputFile json(folder + "/channel_model.json");
    json.write(channel_model_json(model));
    json.commit();
  }
  describe_channels(log, model, report);
  return model;
}

// A given model is read, and refused, before any of the log is.
std::optional<ChannelModel> given_model(const AttributeOptions& options,
                                        const std::vector<NamedMechanism>& mechanisms) {
  if (options.channel_model.empty()) return std::nullopt;
  std::vector<Mechanism> wanted;
  for (const NamedMechanism& named : mechanisms)
    if (needs_fit(named.mechanism)) wanted.push_back(named.mechanism);
  if (wanted.empty())
    fail_usage("--channel-model {}: no mechanism is data-driven; ask for mta, shapley, markov or logistic",
               options.channel_model);
  return read_channel_model(options.channel_model, wanted);
}

}  // namespace

AttributeReport attribute(const AttributeOptions& options) {
  check_layout_options(options);
  const std::vector<NamedMechanism> mechanisms = parse_mechanisms(options.mechanisms, options.mta);
  const std::optional<ChannelModel> given = given_model(options, mechanisms);
  OutputFolder folder(options.out, kMarker);
  RowSpool spool(folder.path() + "/rows.spool");
  ClickLog log;
  const std::vector<std::string> passed = read_clicks(options, log, spool, reading_progress(options.progress));
  spool.finish();

  AttributeReport report;
  report.columns = sample_columns(options, passed);
  describe_clicks(log, report);
  report.split = !options.test_from.empty() || options.test_days > 0;
  if (report.split) report.test_start = find_test_start(options, report);
  report.test_end = find_test_end(options, report);

  const ClickOrder order = order_clicks(log);
  MechanismParameters parameters;
  parameters.half_life_seconds = static_cast<double>(options.half_life);
  const ChannelModel model = channel_model(options, mechanisms, given, log, order, folder.path(), report);
  parameters.channel_values = model.values(Mechanism::shapley);
  parameters.markov_values = model.values(Mechanism::markov);
  parameters.logistic_values = model.values(Mechanism::logistic);
  const Journeys journeys = build_journeys(log, order, {options.window, options.restart}, kForever);
  report.known_labels = options.train_labels == "known";
  const auto known_until = report.known_labels ? std::optional(report.test_start) : std::nullopt;
  const Credits credits = compute_credits(log, order, journeys, mechanisms, parameters, known_until);

  const auto clicks_before = [&](std::int64_t time) {
    const auto before = [&](std::uint32_t click) { return !report.split || log.time[click] < time; };
    return static_cast<std::uint64_t>(std::partition_point(order.by_time.begin(), order.by_time.end(), before) -
                                      order.by_time.begin());
  };
  const std::uint64_t test_begin = clicks_before(report.test_start);
  report.train_clicks = clicks_before(report.test_start - options.gap);
  report.gap_clicks = test_begin - report.train_clicks;
  const std::uint64_t test_end = clicks_before(report.test_end);
  report.later_clicks = log.size() - test_end;
  if (report.train_clicks == 0)
    fail_usage("--gap: it reaches back beyond the first click ({}), so train.csv would be empty",
               date_of(report.first_time));
  describe_journeys(journeys, credits, report);
  if (report.split)
    report.train_clicks_of_test_conversions =
        early_clicks(log, order, journeys, report.test_start - options.gap, report.test_start);
  describe_mechanisms(log, credits, mechanisms, report);
  describe_slices(log, credits, report);

  SampleWriter writer(options, log, order, credits, spool);
  writer.write(folder.path() + "/train.csv", report.columns, 0, report.train_clicks);
  if (report.split) writer.write(folder.path() + "/test.csv", report.columns, test_begin, test_end);
  spool.remove();
  OutputFile json(folder.path() + "/" + kMarker);
  json.write(to_json(options, report));
  json.commit();
  folder.commit();
  return report;
}

}  // namespace mal

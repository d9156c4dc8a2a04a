#include "train/attribution/attribute.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "engine/error.h"
#include "engine/file.h"
#include "train/attribution/channel_model.h"
#include "train/attribution/channel_reporting.h"
#include "train/attribution/click_parts.h"
#include "train/attribution/credits.h"
#include "train/attribution/delay_weights.h"
#include "train/attribution/describer.h"
#include "train/attribution/known_log.h"
#include "train/attribution/log_memory.h"
#include "train/attribution/memory_log.h"
#include "train/attribution/neural_credit.h"
#include "train/attribution/read_clicks.h"
#include "train/attribution/sample_writer.h"
#include "train/attribution/text.h"
#include "train/attribution/touch_rules.h"
#include "train/data/sample_files.h"

namespace mal {

namespace {

constexpr const char* kMarker = "attribution.json";
constexpr std::int64_t kForever = std::numeric_limits<std::int64_t>::max();

void write_text(const std::string& path, const std::string& text) {
  OutputFile file(path);
  file.write(text);
  file.commit();
}

// The first moment of the test period.
std::int64_t find_test_start(const AttributeOptions& options, const AttributeReport& report) {
  if (!options.test_from.empty()) {
    const std::int64_t start = parse_time(options.test_from, "--test-from", options.time_format);
    if (start <= report.first_time || start > report.last_time)
      fail_usage("--test-from {}: the clicks are from {} to {}, so {} would be empty", options.test_from,
                 date_of(report.first_time), date_of(report.last_time),
                 start <= report.first_time ? "train.csv" : "test.csv");
    return start;
  }
  // A day begins when it is midnight `utc_offset` east of Greenwich: that much earlier than in Greenwich.
  const std::int64_t day = 86400 * kSecond, offset = options.time_format.utc_offset * kSecond;
  const std::int64_t local = report.last_time + offset;
  const std::int64_t last_day = local / day - (local % day < 0 ? 1 : 0);
  const std::int64_t days = std::min<std::int64_t>(options.test_days, last_day + 2);  // more reach beyond 1970
  const std::int64_t start = (last_day - days + 1) * day - offset;
  if (start <= report.first_time)
    fail_usage("--test-days {}: the clicks are from {} to {}, so train.csv would be empty", options.test_days,
               date_of(report.first_time), date_of(report.last_time));
  return start;
}

// The first moment after the test period.
std::int64_t find_test_end(const AttributeOptions& options, const AttributeReport& report) {
  if (options.test_to.empty()) return kForever;
  const std::int64_t end = parse_time(options.test_to, "--test-to", options.time_format);
  if (end <= report.test_start)
    fail_usage("--test-to {}: the test period begins at {}, so test.csv would be empty", options.test_to,
               date_of(report.test_start));
  return end;
}

TrainingPeriod find_training(const AttributeOptions& options, const AttributeReport& report) {
  TrainingPeriod training;
  if (report.split) training.end = report.test_start - options.gap * kSecond;
  if (report.split && report.first_time >= training.end)
    fail_usage("--gap: it reaches back beyond the first click ({}), so train.csv would be empty",
               date_of(report.first_time));
  if (options.train_from.empty()) return training;
  training.start = parse_time(options.train_from, "--train-from", options.time_format);
  if (training.start >= training.end)
    fail_usage("--train-from {}: the training period ends at {}, so train.csv would be empty", options.train_from,
               date_of(training.end));
  return training;
}

void check_training_period(const AttributeOptions& options, const AttributeReport& report) {
  if (options.train_from.empty() || report.train_clicks > 0) return;
  fail_usage("--train-from {}: no click lies between it and {}, so train.csv would be empty", options.train_from,
             report.split ? date_of(report.training.end) : "the end of the log");
}

// --test-days counts days that have clicks, and a test period without an end has the last click; one with an end may
// lie between two clicks.
void check_test_period(const AttributeOptions& options, const AttributeReport& report) {
  const std::uint64_t elsewhere = report.train_clicks + report.gap_clicks + report.later_clicks + report.earlier_clicks;
  if (report.left_out_clicks > 0 &&
      (report.train_clicks == 0 || (report.split && report.clicks == report.left_out_clicks + elsewhere)))
    fail_usage("--keep-events {}: no such event lies in the {}, so {}.csv would be empty",
               fmt::join(options.keep_events, ","), report.train_clicks == 0 ? "training period" : "test period",
               report.train_clicks == 0 ? "train" : "test");
  if (!report.split || report.clicks > elsewhere) return;
  fail_usage(
      "--test-from {} --test-to {}: no click lies in the test period, so test.csv would be empty; those before it end "
      "at "
      "{}, those after it begin at {}",
      options.test_from, options.test_to, date_of(report.last_time_before_test), date_of(report.first_time_after_test));
}

void describe_reading(const ClickLog& log, const LogCounts& counts, AttributeReport& report) {
  report.rows = log.rows;
  report.notes = log.notes;
  report.skipped_rows = log.skipped_rows;
  report.anonymous = log.anonymous;
  report.identity = log.identity;
  report.dropped_touches = counts.dropped_touches;
  report.clicks = counts.clicks;
  report.conversions = counts.conversions;
  report.value = counts.value.value();
  report.first_time = counts.times.first();
  report.last_time = counts.times.last();
  report.time_mistake = counts.times.mistake();
  report.first_user = counts.first_user;
  report.first_key = counts.first_key;
}

void check_fit(const AttributeOptions& options, const std::vector<NamedMechanism>& mechanisms) {
  if (options.format != "journeys") return;
  for (const NamedMechanism& named : mechanisms)
    if (is_fitted_to_times(named.mechanism))
      fail_usage(
          "{}: {} is fitted to the time from a touch to the conversion, which --format journeys does not "
          "have: a conversion counts as of the time of its last touch; leave it out, or give a --channel-model",
          named.name, name_of(named.mechanism));
}

// A given model is read, and refused, before any of the log is.
std::optional<ChannelModel> given_model(const AttributeOptions& options,
                                        const std::vector<NamedMechanism>& mechanisms) {
  if (options.channel_model.empty()) {
    check_fit(options, mechanisms);
    return std::nullopt;
  }
  std::vector<Mechanism> wanted;
  for (const NamedMechanism& named : mechanisms)
    if (needs_fit(named.mechanism)) wanted.push_back(named.mechanism);
  if (wanted.empty())
    fail_usage(
        "--channel-model {}: no mechanism is data-driven; ask for mta, shapley, markov, logistic, additive_hazard or "
        "neural",
        options.channel_model);
  return read_channel_model(options.channel_model, wanted);
}

// The clicks of a run: one log in memory, or parts of it that are loaded one after the other.
class Clicks {
 public:
  Clicks(const AttributeOptions& options, const std::string& folder) {
    if (kept_on_disk(options))
      parts_.emplace(options, folder, numbers_a_line(options));
    else
      in_memory_.emplace(options, all_);
  }
  ClickLog& all() { return all_; }
  ClickTarget& target() {
    if (parts_) return *parts_;
    return *in_memory_;
  }
  ClickParts* parts() { return parts_ ? &*parts_ : nullptr; }

  // Calls visit(part, log, order) for every part of which anything is left or was before --truncate.
  template <typename Visit>
  void for_each(const Visit& visit) {
    if (!parts_) {
      if (order_.by_time.empty()) order_ = order_clicks(all_);
      return visit(std::size_t{0}, all_, order_);
    }
    for (std::size_t part = 0; part < kParts; ++part) {
      ClickLog log = parts_->load(part);
      if (log.size() + log.conversions.size() + log.uncut.time.size() > 0) visit(part, log, order_clicks(log));
    }
  }

  // Calls visit(log, order) for the same parts, as the fit may see them.
  template <typename Visit>
  void for_each_known(const FitOptions& how, std::int64_t truncate, const Visit& visit) {
    for_each([&](std::size_t, ClickLog& log, const ClickOrder& order) {
      const KnownLog known(log, order, how.until, truncate);
      visit(known.log(), known.order());
    });
  }

 private:
  ClickLog all_;
  ClickOrder order_;  // of all in memory
  std::optional<MemoryLog> in_memory_;
  std::optional<ClickParts> parts_;
};

// Just after the last event of the log.
std::int64_t watched_until(const LogCounts& counts) {
  const std::int64_t last_click = counts.times.last();
  return 1 + (counts.conversions > 0 ? std::max(last_click, counts.last_conversion) : last_click);
}

// Fitted on this log, or given; and where fitted, written beside the samples. Empty without a data-driven mechanism.
ChannelModel channel_model(const AttributeOptions& options, const std::vector<NamedMechanism>& mechanisms,
                           const std::optional<ChannelModel>& given, const FitOptions& how, Clicks& clicks,
                           Bootstrap* bootstrap, const std::string& folder, AttributeReport& report) {
  std::vector<Mechanism> wanted;
  for (const NamedMechanism& named : mechanisms)
    if (needs_fit(named.mechanism)) wanted.push_back(named.mechanism);
  if (wanted.empty()) return {};
  if (given) {
    report.channel_model = options.channel_model;
    return model_for_log(*given, clicks.all().channels);
  }
  ChannelFit fit(clicks.all().channels, wanted, how);
  const std::int64_t truncate = options.truncate * kSecond;
  clicks.for_each_known(how, truncate, [&](const ClickLog& log, const ClickOrder& order) {
    fit.observe(log, order);
    if (bootstrap != nullptr) bootstrap->observe(log, order);
  });
  const ChannelModel model = fit.model();
  write_text(folder + "/channel_model.json", channel_model_json(model));
  report.markov = fit.markov_totals();
  if (bootstrap != nullptr && bootstrap->wants_order()) {
    bootstrap->set_order(report.markov->order);
    clicks.for_each_known(how, truncate,
                          [&](const ClickLog& log, const ClickOrder& order) { bootstrap->observe_walks(log, order); });
  }
  if (bootstrap != nullptr) bootstrap->fit();
  if (report.markov) {
    write_text(folder + "/transitions.csv", transitions_csv(*report.markov));
    write_text(folder + "/removal_effects.csv", removal_effects_csv(*report.markov));
  }
  return model_for_log(model, clicks.all().channels);
}

void check_files(const AttributeOptions& options) {
  for (const auto* files : {&options.inputs, &options.conversions, &options.identity})
    for (const std::string& file : *files) check_not_replaced(file, options.out);
  if (!options.channel_model.empty()) check_not_replaced(options.channel_model, options.out);
}

}  // namespace

AttributeReport attribute(const AttributeOptions& given_options) {
  AttributeOptions options = given_options;
  std::size_t empty_files = 0;
  for (auto* files : {&options.inputs, &options.conversions, &options.identity})
    empty_files += find_sample_files(*files, options.folders);
  check_layout_options(options);
  check_files(options);
  const std::vector<NamedMechanism> mechanisms = parse_mechanisms(options.mechanisms, options.mta);
  const std::optional<ChannelModel> given = given_model(options, mechanisms);
  check_markov_options(
      markov_options(options),
      !given && std::ranges::find(mechanisms, Mechanism::markov, &NamedMechanism::mechanism) != mechanisms.end());
  OutputFolder folder(options.out, kMarker);
  RowSpool spool(folder.path() + "/rows.spool");
  Clicks clicks(options, folder.path());
  const std::vector<std::string> passed =
      read_clicks(options, clicks.all(), clicks.target(), spool, reading_progress(options.progress));
  spool.finish();

  AttributeReport report;
  report.columns = sample_columns(options, passed);
  report.key = matching_name(options);
  report.identity_files = options.identity;
  report.from_given = !options.from.empty();
  describe_reading(clicks.all(), clicks.target().counts(), report);
  report.notes.empty_files = empty_files;
  report.split = has_test_period(options);
  if (report.split) report.test_start = find_test_start(options, report);
  report.test_end = find_test_end(options, report);
  report.training = find_training(options, report);

  std::optional<TouchRules> touches;
  if (TouchRules::given(options)) touches.emplace(options, clicks.all().channels);
  const JourneyRule rule = {touches ? touches->windows().front() : options.window * kSecond, options.restart,
                            touches ? &*touches : nullptr};
  MechanismParameters parameters;
  parameters.half_life_seconds = static_cast<double>(options.half_life);
  parameters.position = options.position;
  const FitOptions fit = {.rule = rule,
                          .until = report.split ? report.test_start : kForever,
                          .seed = options.seed,
                          .exact_channels = options.exact_channels,
                          .watched_until = watched_until(clicks.target().counts()),
                          .markov = markov_options(options),
                          .progress = options.progress};
  ChannelReporting channels(options, mechanisms, clicks.all(), fit);
  const ChannelModel model =
      channel_model(options, mechanisms, given, fit, clicks, channels.bootstrap(), folder.path(), report);
  parameters.channel_values = model.values(Mechanism::shapley);
  parameters.markov_values = model.values(Mechanism::markov);
  parameters.logistic_values = model.values(Mechanism::logistic);
  parameters.hazard_effects = model.values(Mechanism::additive_hazard);
  parameters.hazard_delay_seconds = model.hazard_delay_seconds;
  std::optional<NeuralCredit> neural;
  if (!model.neural.empty()) parameters.neural = &neural.emplace(model.neural, model.neural_numbers);
  report.known_labels = options.train_labels == "known";
  const auto known_until = report.known_labels ? std::optional(report.test_start) : std::nullopt;

  std::optional<DelayWeights> delay;
  if (options.delay_weights) {
    delay.emplace(options, mechanisms, clicks.all(), rule, report.test_start, report.training);
    clicks.for_each(
        [&](std::size_t, const ClickLog& log, const ClickOrder& order) { delay->observe(log, order, parameters); });
    delay->fit();
  }

  const VisitShares visit = channels.visit();
  Describer describer(options, mechanisms, clicks.all(), report);
  SampleWriter writer(options, report, folder.path(), spool);
  clicks.for_each([&](std::size_t part, const ClickLog& log, const ClickOrder& order) {
    const Journeys journeys = build_journeys(log, order, rule, kForever);
    const Credits credits = compute_credits(log, order, journeys, mechanisms, parameters, known_until, visit);
    channels.add(log, order, journeys, parameters);
    describer.add(log, order, journeys, credits);
    const std::vector<float> weights = delay ? delay->weights(log, credits) : std::vector<float>();
    LogLines lines(options, log, order, credits, weights);
    for (std::size_t place = 0; place < log.size(); ++place) {
      if (!lines.is_written(place)) continue;
      if (clicks.parts() == nullptr)
        writer.add(lines.line(place));
      else
        clicks.parts()->add_line(part, lines.line(place), log.number[order.by_time[place]]);
    }
    if (clicks.parts() != nullptr) clicks.parts()->remove(part);
  });
  check_training_period(options, report);
  check_test_period(options, report);
  if (clicks.parts() != nullptr) clicks.parts()->merge([&](const ClickLine& line) { writer.add(line); });
  writer.finish();
  describer.finish(model);
  if (delay) report.delay = delay->report();
  channels.write(folder.path(), report);

  spool.remove();
  write_text(folder.path() + "/" + kMarker, to_json(options, report));
  folder.commit();
  return report;
}

}  // namespace mal

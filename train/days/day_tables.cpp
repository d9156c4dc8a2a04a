#include "train/days/day_tables.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <span>

#include "train/report/svg.h"

namespace mal {

namespace {

std::string value_text(const Drawn& drawn, std::size_t metric) {
  return number_text(drawn.value, kDayMetrics[metric].digits);
}

std::string with_interval(const Drawn& drawn, std::size_t metric) {
  const int digits = kDayMetrics[metric].digits;
  const Interval interval = drawn.interval();
  if (!std::isfinite(drawn.value)) return "n/a";
  return fmt::format("{} [{}, {}]", number_text(drawn.value, digits), number_text(interval.low, digits),
                     number_text(interval.high, digits));
}

// In hundredths.
std::string difference_text(const Drawn& drawn) {
  const Interval interval = drawn.interval();
  if (!std::isfinite(drawn.value)) return "n/a";
  return fmt::format("{:+.2f} [{:+.2f}, {:+.2f}]", drawn.value, interval.low, interval.high);
}

bool has_first(const DayResults& results) {
  return !results.models.front().first_days.empty() && results.names.size() > 1;
}

// Without the first day, where both are one.
DayScores gain_over_days(const ModelDays& model) {
  std::vector<DayScores> gains;
  for (std::size_t d = 1; d < model.days.size(); ++d)
    gains.push_back(difference_of(model.days[d], model.first_days[d]));
  return mean_over_days(gains);
}

DayScores mean_of_first(const ModelDays& model) {
  return mean_over_days(std::span(model.first_days).subspan(1));
}

std::string interval_note(const DayResults& results) {
  return fmt::format(
      "[…]: 95 % of {} draws of the {} test users with replacement; a user drawn brings the rows of all days. One seed "
      "of the weights; other days are not in the interval. Differences are in hundredths.",
      results.resamples, results.all_users);
}

ResultTable table_of_all_days(const DayResults& results) {
  ResultTable table;
  table.title = results.names.size() == 1 ? "One day" : fmt::format("All {} days", results.names.size());
  table.header = {"model"};
  for (const DayMetric& metric : kDayMetrics) table.header.push_back(metric.name);
  const std::string& base = results.models.front().name;
  for (const std::size_t metric : {kGauc, kAuc, kLogLoss})
    table.header.push_back(fmt::format("{} − {}", kDayMetrics[metric].name, base));
  const DayScores first = results.models.front().mean();
  for (const ModelDays& model : results.models) {
    const DayScores mean = model.mean(), difference = difference_of(mean, first);
    std::vector<std::string>& row = table.rows.emplace_back();
    row.push_back(model.name);
    for (std::size_t metric = 0; metric < mean.size(); ++metric) row.push_back(with_interval(mean[metric], metric));
    for (const std::size_t metric : {kGauc, kAuc, kLogLoss})
      row.push_back(&model == results.models.data() ? "" : difference_text(difference[metric]));
  }
  table.notes = {"Means over the days, each day counting alike.", interval_note(results)};
  return table;
}

ResultTable table_of_gains(const DayResults& results) {
  ResultTable table;
  table.title = "What going on brings: against the model of the first day";
  table.header = {"model",
                  "day",
                  "GAUC",
                  "of the first day's",
                  "difference",
                  "AUC difference",
                  "LogLoss difference",
                  "PCOC",
                  "of the first day's"};
  const auto add = [&](const std::string& name, const std::string& day, const DayScores& now, const DayScores& then,
                       const DayScores& gain) {
    table.rows.push_back({name, day, value_text(now[kGauc], kGauc), value_text(then[kGauc], kGauc),
                          difference_text(gain[kGauc]), difference_text(gain[kAuc]), difference_text(gain[kLogLoss]),
                          value_text(now[kPcoc], kPcoc), value_text(then[kPcoc], kPcoc)});
  };
  for (const ModelDays& model : results.models) {
    for (std::size_t d = 1; d < model.days.size(); ++d)
      add(model.name, results.names[d], model.days[d], model.first_days[d],
          difference_of(model.days[d], model.first_days[d]));
    add(model.name, "mean", mean_over_days(std::span(model.days).subspan(1)), mean_of_first(model),
        gain_over_days(model));
  }
  table.notes = {
      "The model of the first day is trained on the first data set and left alone; ids that came later are unseen to "
      "it. Differences are this model's minus the first day's.",
      interval_note(results)};
  return table;
}

ResultTable table_by_day(const DayResults& results) {
  ResultTable table;
  const std::string& base = results.models.front().name;
  table.title = fmt::format("Day by day, view {}", results.primary);
  table.header = {"day",  "model", "trained on", "test rows", "positives",
                  "GAUC", "AUC",   "LogLoss",    "PCOC",      "mean GAUC so far"};
  const bool several = results.models.size() > 1;
  if (several)
    for (const char* metric : {"GAUC", "AUC"}) table.header.push_back(fmt::format("{} − {}", metric, base));
  for (std::size_t d = 0; d < results.names.size(); ++d)
    for (const ModelDays& model : results.models) {
      const DayScores& day = model.days[d];
      const bool first = &model == results.models.data();
      std::vector<std::string>& row = table.rows.emplace_back();
      row = {results.names[d], model.name, std::to_string(results.training_rows[d]),
             std::to_string(results.test_rows[d]), std::to_string(results.positives[d])};
      for (std::size_t metric = 0; metric < day.size(); ++metric) row.push_back(value_text(day[metric], metric));
      row.push_back(value_text(mean_over_days(std::span(model.days).first(d + 1))[kGauc], kGauc));
      if (!several) continue;
      const DayScores difference = difference_of(day, results.models.front().days[d]);
      row.push_back(first ? "" : difference_text(difference[kGauc]));
      row.push_back(first ? "" : difference_text(difference[kAuc]));
    }
  table.notes = {
      "Each row: the model goes on with the day's training rows, once, and is then tested on the test rows of that "
      "data set, which are trained on later or never."};
  if (several) table.notes.push_back(interval_note(results));
  return table;
}

IntervalPoint point_of(const Drawn& drawn) {
  const Interval interval = drawn.interval();
  return {drawn.value, interval.low, interval.high};
}

std::vector<IntervalSeries> series_of(const DayResults& results, std::size_t metric) {
  std::vector<IntervalSeries> series;
  for (std::size_t m = 0; m < results.models.size(); ++m) {
    const ModelDays& model = results.models[m];
    IntervalSeries goes_on{model.name, {}, m, false}, first{model.name + " of the first day", {}, m, true};
    for (const DayScores& day : model.days) goes_on.points.push_back(point_of(day[metric]));
    for (const DayScores& day : model.first_days) first.points.push_back(point_of(day[metric]));
    series.push_back(std::move(goes_on));
    if (has_first(results)) series.push_back(std::move(first));
  }
  return series;
}

// Of a model, day by day, in hundredths; base: the other model's days.
IntervalSeries gauc_against(const ModelDays& model, std::size_t colour, const std::vector<DayScores>& base) {
  IntervalSeries series{model.name, {}, colour, false};
  for (std::size_t d = 0; d < model.days.size(); ++d)
    series.points.push_back(point_of(difference_of(model.days[d], base[d])[kGauc]));
  return series;
}

nlohmann::ordered_json json_of(const DayScores& scores) {
  nlohmann::ordered_json json;
  for (std::size_t m = 0; m < scores.size(); ++m) {
    const Interval interval = scores[m].interval();
    json[kDayMetrics[m].key] = {{"value", scores[m].value}, {"low", interval.low}, {"high", interval.high}};
  }
  return json;
}

nlohmann::ordered_json json_of_day(const DayResults& results, std::size_t m, std::size_t d) {
  const ModelDays& model = results.models[m];
  nlohmann::ordered_json json = {{"model", model.name}, {"steps", model.steps[d]}, {"metrics", json_of(model.days[d])}};
  const DayScores so_far = mean_over_days(std::span(model.days).first(d + 1));
  for (std::size_t metric = 0; metric < so_far.size(); ++metric)
    json["mean_so_far"][kDayMetrics[metric].key] = so_far[metric].value;
  if (m > 0) json["difference"] = json_of(difference_of(model.days[d], results.models.front().days[d]));
  if (!model.first_days.empty()) {
    json["first_day_model"] = json_of(model.first_days[d]);
    json["gain"] = json_of(difference_of(model.days[d], model.first_days[d]));
  }
  return json;
}

}  // namespace

std::vector<ResultTable> day_tables(const DayResults& results) {
  std::vector<ResultTable> tables = {table_of_all_days(results)};
  if (has_first(results)) tables.push_back(table_of_gains(results));
  tables.push_back(table_by_day(results));
  return tables;
}

std::vector<std::string> day_pictures(const DayResults& results) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  std::vector<std::string> pictures;
  for (std::size_t metric = 0; metric < kDayMetrics.size(); ++metric)
    pictures.push_back(interval_lines(series_of(results, metric), results.names,
                                      fmt::format("{} of the next day", kDayMetrics[metric].name),
                                      kDayMetrics[metric].name, metric == kPcoc ? 1 : kNone));
  const ModelDays& base = results.models.front();
  std::vector<IntervalSeries> against, gains;
  for (std::size_t m = 0; m < results.models.size(); ++m) {
    const ModelDays& model = results.models[m];
    if (m > 0) against.push_back(gauc_against(model, m, base.days));
    if (has_first(results)) gains.push_back(gauc_against(model, m, model.first_days));
  }
  if (!against.empty())
    pictures.push_back(interval_lines(against, results.names, "GAUC minus that of " + base.name, "hundredths", 0));
  if (!gains.empty())
    pictures.push_back(
        interval_lines(gains, results.names, "GAUC minus that of the model of the first day", "hundredths", 0));
  return pictures;
}

nlohmann::ordered_json day_json(const DayResults& results) {
  nlohmann::ordered_json json = {{"view", results.primary},
                                 {"resamples", results.resamples},
                                 {"resample_seed", results.seed},
                                 {"users", results.all_users}};
  if (!results.about.empty()) json["about"] = results.about;
  for (std::size_t d = 0; d < results.names.size(); ++d) {
    nlohmann::ordered_json& day = json["days"].emplace_back();
    day = {{"day", results.names[d]},
           {"training_rows", results.training_rows[d]},
           {"test_rows", results.test_rows[d]},
           {"positives", results.positives[d]},
           {"users", results.users[d]}};
    for (std::size_t m = 0; m < results.models.size(); ++m) day["models"].push_back(json_of_day(results, m, d));
  }
  const DayScores base = results.models.front().mean();
  for (std::size_t m = 0; m < results.models.size(); ++m) {
    const ModelDays& model = results.models[m];
    nlohmann::ordered_json& all = json["all_days"].emplace_back();
    const DayScores mean = model.mean();
    all = {{"model", model.name}, {"metrics", json_of(mean)}};
    if (m > 0) all["difference"] = json_of(difference_of(mean, base));
    if (!has_first(results)) continue;
    all["first_day_model"] = json_of(mean_of_first(model));
    all["gain"] = json_of(gain_over_days(model));
  }
  return json;
}

}  // namespace mal

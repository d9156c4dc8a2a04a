#include "train/days/day_scores.h"

#include <cmath>
#include <limits>
#include <unordered_set>
#include <utility>

#include "train/days/resample_ratio.h"

namespace mal {

namespace {

std::vector<std::int64_t> all_users(const std::vector<DayTest>& tests) {
  std::vector<std::int64_t> users;
  for (const DayTest& test : tests) users.insert(users.end(), test.users.begin(), test.users.end());
  return users;
}

double value_or_nan(const std::optional<double>& value) {
  return value.value_or(std::numeric_limits<double>::quiet_NaN());
}

// Of the days where it is defined.
double mean_at(std::span<const DayScores> days, std::size_t metric, auto value) {
  double sum = 0;
  int count = 0;
  for (const DayScores& day : days) {
    const double of_day = value(day[metric]);
    if (std::isnan(of_day)) continue;
    sum += of_day;
    ++count;
  }
  return count == 0 ? std::numeric_limits<double>::quiet_NaN() : sum / count;
}

}  // namespace

DayEvaluator::DayEvaluator(const std::vector<DayTest>& tests, std::int64_t resamples, std::uint64_t seed)
    : tests_(tests), resamples_(all_users(tests), resamples, seed) {
  std::size_t row = 0;
  for (const DayTest& test : tests) {
    first_row_.push_back(row);
    row += test.users.size();
  }
}

std::int64_t DayEvaluator::users_of(std::size_t day) const {
  const std::unordered_set<std::int64_t> users(tests_[day].users.begin(), tests_[day].users.end());
  return static_cast<std::int64_t>(users.size());
}

DayScores DayEvaluator::scores(std::size_t day, std::vector<float> logits) const {
  const DayTest& test = tests_[day];
  const Scored scored = {std::move(logits), test.credits, test.users, {}, test.weights};
  const Metrics metrics = evaluate(scored);
  const RowWeights weights{test.weights};
  const std::span<const std::uint32_t> users =
      std::span(resamples_.user_of_row()).subspan(first_row_[day], test.users.size());
  ResampledMetrics ranks = resample_metrics(scored.logits, test.credits, users, resamples_, weights);
  ResampledCalibration calibrated = resample_calibration(scored.logits, test.credits, users, resamples_, weights);
  DayScores scores;
  scores[kGauc] = {value_or_nan(metrics.gauc), std::move(ranks.gauc)};
  scores[kAuc] = {value_or_nan(metrics.auc), std::move(ranks.auc)};
  scores[kLogLoss] = {value_or_nan(metrics.logloss), std::move(calibrated.logloss)};
  scores[kPcoc] = {value_or_nan(metrics.pcoc), std::move(calibrated.pcoc)};
  return scores;
}

DayScores mean_over_days(std::span<const DayScores> days) {
  DayScores mean;
  for (std::size_t m = 0; m < mean.size(); ++m) {
    mean[m].value = mean_at(days, m, [](const Drawn& of) { return of.value; });
    mean[m].draws.resize(days.front()[m].draws.size());
    for (std::size_t r = 0; r < mean[m].draws.size(); ++r)
      mean[m].draws[r] = mean_at(days, m, [r](const Drawn& of) { return of.draws[r]; });
  }
  return mean;
}

DayScores difference_of(const DayScores& model, const DayScores& base) {
  DayScores difference;
  for (std::size_t m = 0; m < difference.size(); ++m) {
    difference[m].value = 100 * (model[m].value - base[m].value);
    for (std::size_t r = 0; r < model[m].draws.size(); ++r)
      difference[m].draws.push_back(100 * (model[m].draws[r] - base[m].draws[r]));
  }
  return difference;
}

}  // namespace mal

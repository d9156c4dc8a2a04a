// Metrics of models on the test rows of several days, and over days, with what other users would change.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "train/experiment/bootstrap.h"
#include "train/experiment/statistics.h"
#include "train/metrics/metrics.h"

namespace mal {

struct DayMetric {
  const char* key;   // in JSON
  const char* name;  // for people
  int digits;
};
inline constexpr std::array<DayMetric, 4> kDayMetrics = {
    {{"gauc", "GAUC", 4}, {"auc", "AUC", 4}, {"logloss", "LogLoss", 4}, {"pcoc", "PCOC", 3}}};
inline constexpr std::size_t kGauc = 0, kAuc = 1, kLogLoss = 2, kPcoc = 3;

// A number with its values on the draws; NaN where it is not defined.
struct Drawn {
  double value = 0;
  std::vector<double> draws;

  Interval interval() const { return interval_of(draws); }
};

// What a model scores on one day, or over days: one a metric of kDayMetrics.
using DayScores = std::array<Drawn, kDayMetrics.size()>;

// What the test rows of a day are compared by.
struct DayTest {
  std::vector<std::int64_t> users;  // group keys
  std::vector<float> credits;       // of the primary view
  std::vector<float> weights;       // empty where the data set has none
  std::int64_t positives = 0;
};

// Users are drawn once for all days: a draw that has a user twice has his rows of every day twice. So what a user
// brings to all of his days is not taken for news of each.
class DayEvaluator {
 public:
  // Holds users × resamples bytes. Both must outlive it.
  DayEvaluator(const std::vector<DayTest>& tests, std::int64_t resamples, std::uint64_t seed);

  std::size_t users() const { return resamples_.users(); }
  std::int64_t users_of(std::size_t day) const;

  DayScores scores(std::size_t day, std::vector<float> logits) const;

 private:
  const std::vector<DayTest>& tests_;
  UserResamples resamples_;
  std::vector<std::size_t> first_row_;  // of each day, in resamples_.user_of_row()
};

// The mean of the days' values, each day counting alike; in each draw the mean of that draw's values. A day where a
// metric is not defined does not count.
DayScores mean_over_days(std::span<const DayScores> days);

// 100 · (model − base), draw by draw.
DayScores difference_of(const DayScores& model, const DayScores& base);

}  // namespace mal

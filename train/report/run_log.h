// What a report needs of a run's metrics.jsonl.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace mal {

// Empty where a metric is not defined, such as the AUC of rows without a positive.
struct MetricValues {
  std::optional<double> auc, gauc, logloss, pcoc, ece;
  double rows = 0, users = 0, positives = 0;
};

struct ReliabilityPoint {
  double predicted = 0, observed = 0, rows = 0;
};

struct SliceValues {
  std::string column, value;
  MetricValues metrics;
};

struct RunLog {
  std::string folder, name, model, primary;
  double seed = 0;
  std::vector<std::pair<double, double>> losses;  // step, mean loss of the primary view since the last log line
  MetricValues test;
  std::vector<ReliabilityPoint> reliability;
  std::vector<SliceValues> slices;
  std::string baseline_column;  // empty: no baseline was logged
  MetricValues baseline;
};

// Throws Error if the folder holds no finished run or a line is not what the trainer writes.
RunLog read_run_log(const std::string& folder);

}  // namespace mal

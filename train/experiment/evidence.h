// What finished runs say about the test rows: the numbers that every study is made of.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "train/experiment/bootstrap.h"
#include "train/experiment/experiment_file.h"
#include "train/experiment/run_plan.h"
#include "train/experiment/statistics.h"
#include "train/experiment/test_set.h"

namespace mal {

// One run on the test rows, or on some of them. NaN where a metric is not defined.
struct RunResult {
  double gauc = 0, auc = 0, logloss = 0, pcoc = 0;
  double positives = 0, users = 0;  // users with both classes
  ResampledMetrics resampled;
};

// A row of a study: its runs, one a seed.
using ModelResult = std::vector<RunResult>;

class Evidence {
 public:
  Evidence(const Experiment& experiment, const Dataset& dataset, const RunPlan& plan);

  const Experiment& experiment() const { return experiment_; }
  const Dataset& dataset() const { return dataset_; }
  const TestSet& test() const { return test_; }
  std::vector<std::string> keys(const Study& study, const StudyRow& row, const std::string& primary) const {
    return plan_.keys(study, row, primary);
  }

  // On every test row; computed once for a run, however many studies ask.
  ModelResult whole(const Study& study, const StudyRow& row, const std::string& primary);
  // On the rows whose code is `value`.
  ModelResult part(const Study& study, const StudyRow& row, const std::string& primary,
                   const std::vector<std::int32_t>& codes, std::int32_t value);

 private:
  RunResult evaluate_rows(const std::string& key, const std::string& primary, const std::vector<std::uint32_t>& rows);

  const Experiment& experiment_;
  const Dataset& dataset_;
  const RunPlan& plan_;
  TestSet test_;
  UserResamples resamples_;
  std::map<std::string, RunResult> known_;  // by key
};

// Over the seeds.
struct Spread {
  std::vector<double> seeds;
  double mean = 0, deviation = 0;
};
Spread spread_of(const ModelResult& model, double RunResult::*metric);

// 100 · (metric of the model − metric of the base with the same seed), averaged over the seeds. The interval is of that
// average when users are resampled, error its standard error.
struct Difference {
  Spread spread;
  Interval interval;
  double error = 0;
  std::vector<double> resampled;
};
Difference gauc_difference(const ModelResult& model, const ModelResult& base);
Difference auc_difference(const ModelResult& model, const ModelResult& base);

}  // namespace mal

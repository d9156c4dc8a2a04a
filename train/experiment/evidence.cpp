#include "train/experiment/evidence.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "engine/error.h"
#include "train/metrics/metrics.h"
#include "train/trainer/scores.h"

namespace mal {

namespace {

double value_of(const std::optional<double>& metric) {
  return metric.value_or(std::numeric_limits<double>::quiet_NaN());
}

template <typename T>
std::vector<T> picked(const std::vector<T>& values, const std::vector<std::uint32_t>& rows) {
  std::vector<T> result;
  result.reserve(rows.size());
  for (const std::uint32_t row : rows) result.push_back(values[row]);
  return result;
}

// Another stream for each data set; the first one's is the seed's own.
std::uint64_t resample_seed(std::int64_t seed, std::size_t dataset) {
  constexpr std::uint64_t kStep = 0x9E3779B97F4A7C15;
  return static_cast<std::uint64_t>(seed) + kStep * dataset;
}

}  // namespace

RunResult result_of(const std::vector<float>& logits, const TestSet& test, const std::string& primary,
                    const std::vector<std::uint32_t>& rows, const UserResamples& resamples) {
  Scored scored = {picked(logits, rows), picked(test.credits_of(primary), rows), picked(test.users, rows), {}, {}};
  if (!test.weights.empty()) scored.weights = picked(test.weights, rows);
  const Metrics metrics = evaluate(scored);
  RunResult result;
  result.gauc = value_of(metrics.gauc);
  result.auc = value_of(metrics.auc);
  result.logloss = value_of(metrics.logloss);
  result.pcoc = value_of(metrics.pcoc);
  result.positives = static_cast<double>(metrics.positives);
  result.users = static_cast<double>(metrics.users);
  result.resampled = resample_metrics(scored.logits, scored.credits, picked(resamples.user_of_row(), rows), resamples,
                                      {scored.weights});
  return result;
}

std::int64_t RowGroups::rows_of(std::size_t group) const {
  std::int64_t rows = 0;
  for (const std::vector<std::int32_t>& of_rows : codes)
    rows += std::ranges::count(of_rows, static_cast<std::int32_t>(group));
  return rows;
}

Evidence::Evidence(const Experiment& experiment, const std::vector<Dataset>& datasets, const RunPlan& plan)
    : experiment_(experiment), datasets_(datasets), plan_(plan) {
  for (std::size_t d = 0; d < datasets.size(); ++d) {
    tests_.push_back(read_test_set(datasets[d]));
    resamples_.emplace_back(tests_[d].users, experiment.resamples, resample_seed(experiment.resample_seed, d));
  }
}

std::int64_t Evidence::test_rows() const {
  std::int64_t rows = 0;
  for (const TestSet& test : tests_) rows += test.rows();
  return rows;
}

std::vector<std::string> Evidence::keys(const Study& study, const StudyRow& row, const std::string& primary) const {
  std::vector<std::string> keys;
  for (std::size_t d = 0; d < datasets_.size(); ++d)
    for (std::string& key : plan_.keys(study, row, primary, d)) keys.push_back(std::move(key));
  return keys;
}

RunResult Evidence::evaluate_rows(std::size_t dataset, const std::string& key, const std::string& primary,
                                  const std::vector<std::uint32_t>& rows) {
  const TestSet& test = tests_[dataset];
  const std::string folder = run_folder(experiment_, key);
  const std::vector<float> logits = load_scores(folder);
  if (static_cast<std::int64_t>(logits.size()) != test.rows())
    fail("{}{} holds {} scores, the data set has {} test rows; remove the folder and run again", folder, kScoresFile,
         logits.size(), test.rows());
  return result_of(logits, test, primary, rows, resamples_[dataset]);
}

ModelResult Evidence::whole(const Study& study, const StudyRow& row, const std::string& primary) {
  ModelResult model(datasets_.size());
  for (std::size_t d = 0; d < datasets_.size(); ++d) {
    std::vector<std::uint32_t> rows(static_cast<std::size_t>(tests_[d].rows()));
    std::iota(rows.begin(), rows.end(), 0U);
    for (const std::string& key : plan_.keys(study, row, primary, d)) {
      if (!known_.contains(key)) known_[key] = evaluate_rows(d, key, primary, rows);
      model[d].push_back(known_[key]);
    }
  }
  return model;
}

ModelResult Evidence::part(const Study& study, const StudyRow& row, const std::string& primary, const RowGroups& groups,
                           std::size_t group) {
  ModelResult model(datasets_.size());
  for (std::size_t d = 0; d < datasets_.size(); ++d) {
    std::vector<std::uint32_t> rows;
    for (std::size_t r = 0; r < groups.codes[d].size(); ++r)
      if (groups.codes[d][r] == static_cast<std::int32_t>(group)) rows.push_back(static_cast<std::uint32_t>(r));
    for (const std::string& key : plan_.keys(study, row, primary, d))
      model[d].push_back(evaluate_rows(d, key, primary, rows));
  }
  return model;
}

}  // namespace mal

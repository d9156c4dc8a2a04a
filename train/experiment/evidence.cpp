#include "train/experiment/evidence.h"

#include <limits>
#include <numeric>

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

Difference difference(const ModelResult& model, const ModelResult& base, double RunResult::*metric,
                      std::vector<double> ResampledMetrics::*resampled) {
  Difference result;
  result.resampled.resize((model.front().resampled.*resampled).size());
  const auto seeds = static_cast<double>(model.size());
  for (std::size_t s = 0; s < model.size(); ++s) {
    result.spread.seeds.push_back(100 * (model[s].*metric - base[s].*metric));
    const std::vector<double>& ours = model[s].resampled.*resampled;
    const std::vector<double>& theirs = base[s].resampled.*resampled;
    for (std::size_t r = 0; r < ours.size(); ++r) result.resampled[r] += 100 * (ours[r] - theirs[r]) / seeds;
  }
  result.spread.mean = mean_of(result.spread.seeds);
  result.spread.deviation = deviation_of(result.spread.seeds);
  result.interval = interval_of(result.resampled);
  result.error = standard_error_of(result.resampled);
  return result;
}

}  // namespace

Evidence::Evidence(const Experiment& experiment, const Dataset& dataset, const RunPlan& plan)
    : experiment_(experiment),
      dataset_(dataset),
      plan_(plan),
      test_(read_test_set(dataset)),
      resamples_(test_.users, experiment.resamples, static_cast<std::uint64_t>(experiment.resample_seed)) {}

RunResult Evidence::evaluate_rows(const std::string& key, const std::string& primary,
                                  const std::vector<std::uint32_t>& rows) {
  const std::string folder = run_folder(experiment_, key);
  const std::vector<float> logits = load_scores(folder);
  if (static_cast<std::int64_t>(logits.size()) != test_.rows())
    fail("{}{} holds {} scores, the data set has {} test rows; remove the folder and run again", folder, kScoresFile,
         logits.size(), test_.rows());
  Scored scored = {picked(logits, rows), picked(test_.credits_of(primary), rows), picked(test_.users, rows), {}, {}};
  if (!test_.weights.empty()) scored.weights = picked(test_.weights, rows);
  const Metrics metrics = evaluate(scored);
  RunResult result;
  result.gauc = value_of(metrics.gauc);
  result.auc = value_of(metrics.auc);
  result.logloss = value_of(metrics.logloss);
  result.pcoc = value_of(metrics.pcoc);
  result.positives = static_cast<double>(metrics.positives);
  result.users = static_cast<double>(metrics.users);
  result.resampled = resample_metrics(scored.logits, scored.credits, picked(resamples_.user_of_row(), rows), resamples_,
                                      {scored.weights});
  return result;
}

ModelResult Evidence::whole(const Study& study, const StudyRow& row, const std::string& primary) {
  std::vector<std::uint32_t> rows(static_cast<std::size_t>(test_.rows()));
  std::iota(rows.begin(), rows.end(), 0U);
  ModelResult model;
  for (const std::string& key : keys(study, row, primary)) {
    if (!known_.contains(key)) known_[key] = evaluate_rows(key, primary, rows);
    model.push_back(known_[key]);
  }
  return model;
}

ModelResult Evidence::part(const Study& study, const StudyRow& row, const std::string& primary,
                           const std::vector<std::int32_t>& codes, std::int32_t value) {
  std::vector<std::uint32_t> rows;
  for (std::size_t r = 0; r < codes.size(); ++r)
    if (codes[r] == value) rows.push_back(static_cast<std::uint32_t>(r));
  ModelResult model;
  for (const std::string& key : keys(study, row, primary)) model.push_back(evaluate_rows(key, primary, rows));
  return model;
}

Spread spread_of(const ModelResult& model, double RunResult::*metric) {
  Spread spread;
  for (const RunResult& run : model) spread.seeds.push_back(run.*metric);
  spread.mean = mean_of(spread.seeds);
  spread.deviation = deviation_of(spread.seeds);
  return spread;
}

Difference gauc_difference(const ModelResult& model, const ModelResult& base) {
  return difference(model, base, &RunResult::gauc, &ResampledMetrics::gauc);
}

Difference auc_difference(const ModelResult& model, const ModelResult& base) {
  return difference(model, base, &RunResult::auc, &ResampledMetrics::auc);
}

}  // namespace mal

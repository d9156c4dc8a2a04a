#include "train/experiment/difference.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace mal {

namespace {

constexpr double kCovered = 0.975, kPower = 0.8;
constexpr double kNormalCovered = 1.96, kNormalPower = 0.84;

SeedSpread spread_of_seeds(std::vector<double> seeds) {
  SeedSpread spread;
  spread.mean = mean_of(seeds);
  spread.deviation = deviation_of(seeds);
  spread.seeds = std::move(seeds);
  return spread;
}

DatasetDifference difference_on(const std::vector<RunResult>& model, const std::vector<RunResult>& base,
                                double RunResult::*metric, std::vector<double> ResampledMetrics::*resampled) {
  DatasetDifference result;
  result.resampled.resize((model.front().resampled.*resampled).size());
  std::vector<double> seeds;
  for (std::size_t s = 0; s < model.size(); ++s) {
    seeds.push_back(100 * (model[s].*metric - base[s].*metric));
    const std::vector<double>& ours = model[s].resampled.*resampled;
    const std::vector<double>& theirs = base[s].resampled.*resampled;
    for (std::size_t r = 0; r < ours.size(); ++r)
      result.resampled[r] += 100 * (ours[r] - theirs[r]) / static_cast<double>(model.size());
  }
  result.spread = spread_of_seeds(std::move(seeds));
  result.interval = interval_of(result.resampled);
  result.error = standard_error_of(result.resampled);
  return result;
}

Difference difference(const ModelResult& model, const ModelResult& base, double RunResult::*metric,
                      std::vector<double> ResampledMetrics::*resampled) {
  std::vector<DatasetDifference> datasets;
  for (std::size_t d = 0; d < model.size(); ++d)
    datasets.push_back(difference_on(model[d], base[d], metric, resampled));
  return pooled(std::move(datasets));
}

std::vector<const DatasetDifference*> defined(const std::vector<DatasetDifference>& differences) {
  std::vector<const DatasetDifference*> result;
  for (const DatasetDifference& difference : differences)
    if (std::isfinite(difference.spread.mean)) result.push_back(&difference);
  return result;
}

// Of one data set, or of none where it is defined.
Difference as_it_is(const DatasetDifference& only) {
  Difference result;
  result.mean = only.spread.mean;
  result.interval = only.interval;
  result.error = only.error;
  result.detectable = (kNormalCovered + kNormalPower) * only.error;
  result.resampled = only.resampled;
  return result;
}

std::vector<double> mean_draws(const std::vector<const DatasetDifference*>& differences) {
  std::vector<double> draws(differences.front()->resampled.size());
  for (const DatasetDifference* difference : differences)
    for (std::size_t r = 0; r < draws.size(); ++r)
      draws[r] += difference->resampled[r] / static_cast<double>(differences.size());
  return draws;
}

Difference pooled_over(const std::vector<const DatasetDifference*>& differences) {
  const auto sets = static_cast<double>(differences.size());
  std::vector<double> means, variances;
  for (const DatasetDifference* difference : differences) {
    means.push_back(difference->spread.mean);
    variances.push_back(difference->error * difference->error);
  }
  const auto [within, variance, degrees] = pooling_of(means, variances);
  Difference result;
  result.mean = mean_of(means);
  result.error = std::sqrt(variance / sets);
  result.between = std::sqrt(variance - within);
  result.resampled = mean_draws(differences);
  const double covered = student_quantile(kCovered, degrees);
  result.detectable = (covered + student_quantile(kPower, degrees)) * result.error;
  if (within > 0) {
    const Interval users = interval_of(result.resampled);
    const double stretch = covered / student_quantile(kCovered, INFINITY) * std::sqrt(variance / within);
    result.interval = {result.mean + stretch * (users.low - result.mean),
                       result.mean + stretch * (users.high - result.mean)};
  } else {
    result.interval = {result.mean - covered * result.error, result.mean + covered * result.error};
  }
  return result;
}

double sum_over_datasets(const ModelResult& model, double RunResult::*count) {
  double sum = 0;
  for (const std::vector<RunResult>& runs : model) sum += runs.front().*count;  // every seed has the same
  return sum;
}

}  // namespace

Spread spread_of(const ModelResult& model, double RunResult::*metric) {
  Spread spread;
  std::vector<double> means, variances;
  for (const std::vector<RunResult>& runs : model) {
    std::vector<double> seeds;
    seeds.reserve(runs.size());
    for (const RunResult& run : runs) seeds.push_back(run.*metric);
    const SeedSpread& of = spread.datasets.emplace_back(spread_of_seeds(std::move(seeds)));
    if (!std::isfinite(of.mean)) continue;
    means.push_back(of.mean);
    variances.push_back(of.deviation * of.deviation);
  }
  spread.mean = mean_of(means);
  // Of one data set without a detour over its square, whose root may differ in the last bit.
  spread.deviation =
      means.size() == 1 && model.size() == 1 ? spread.datasets.front().deviation : std::sqrt(mean_of(variances));
  return spread;
}

Difference pooled(std::vector<DatasetDifference> differences) {
  const std::vector<const DatasetDifference*> known = defined(differences);
  Difference result = known.size() > 1 ? pooled_over(known) : as_it_is(known.empty() ? differences.front() : *known[0]);
  result.datasets = std::move(differences);
  return result;
}

Difference gauc_difference(const ModelResult& model, const ModelResult& base) {
  return difference(model, base, &RunResult::gauc, &ResampledMetrics::gauc);
}

Difference auc_difference(const ModelResult& model, const ModelResult& base) {
  return difference(model, base, &RunResult::auc, &ResampledMetrics::auc);
}

double positives_of(const ModelResult& model) {
  return sum_over_datasets(model, &RunResult::positives);
}

double users_of(const ModelResult& model) {
  return sum_over_datasets(model, &RunResult::users);
}

}  // namespace mal

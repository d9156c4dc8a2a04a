#include "train/experiment/result_table.h"

#include <fmt/format.h>

#include <cmath>

namespace mal {

namespace {

std::string signed_text(double value) {
  return std::isfinite(value) ? fmt::format("{:+.2f}", value) : "n/a";
}

}  // namespace

std::string number_text(double value, int digits) {
  return std::isfinite(value) ? fmt::format("{:.{}f}", value, digits) : "n/a";
}

std::string spread_text(const Spread& spread, int digits) {
  const std::string mean = number_text(spread.mean, digits);
  return std::isfinite(spread.deviation) ? fmt::format("{} ± {}", mean, number_text(spread.deviation, digits)) : mean;
}

std::string difference_text(const Difference& difference) {
  const double mean = difference.mean;
  if (!std::isfinite(mean)) return "n/a";
  return fmt::format("{} [{}, {}]", signed_text(mean), signed_text(difference.interval.low),
                     signed_text(difference.interval.high));
}

std::string change_text(double model, double base) {
  const double change = 100 * (model - base) / base;
  return std::isfinite(change) ? fmt::format("{:+.2f} %", change) : "n/a";
}

namespace {

nlohmann::ordered_json seeds_json(const SeedSpread& spread) {
  return {{"mean", spread.mean}, {"deviation", spread.deviation}, {"seeds", spread.seeds}};
}

nlohmann::ordered_json dataset_json(const DatasetDifference& difference) {
  nlohmann::ordered_json json = seeds_json(difference.spread);
  json["low"] = difference.interval.low;
  json["high"] = difference.interval.high;
  json["standard_error"] = difference.error;
  return json;
}

}  // namespace

nlohmann::ordered_json spread_json(const Spread& spread) {
  if (spread.datasets.size() == 1) return seeds_json(spread.datasets.front());
  nlohmann::ordered_json json = {{"mean", spread.mean}, {"deviation", spread.deviation}};
  for (const SeedSpread& of : spread.datasets) json["datasets"].push_back(seeds_json(of));
  return json;
}

nlohmann::ordered_json difference_json(const Difference& difference) {
  nlohmann::ordered_json json;
  if (difference.datasets.size() == 1) {
    json = dataset_json(difference.datasets.front());
    json["detectable"] = difference.detectable;
    return json;
  }
  json = {{"mean", difference.mean},
          {"low", difference.interval.low},
          {"high", difference.interval.high},
          {"standard_error", difference.error},
          {"detectable", difference.detectable},
          {"between_datasets", difference.between}};
  for (const DatasetDifference& of : difference.datasets) json["datasets"].push_back(dataset_json(of));
  return json;
}

std::string test_note(const Evidence& evidence, const ModelResult& base) {
  const std::size_t datasets = evidence.datasets().size();
  return fmt::format(
      "{} test rows{}, {:.0f} positives; {:.0f} users have both classes; {} seeds, mean ± standard deviation{}.",
      evidence.test_rows(), datasets == 1 ? "" : fmt::format(" of {} data sets", datasets), positives_of(base),
      users_of(base), evidence.experiment().seeds.size(), datasets == 1 ? "" : " of the seeds within a data set");
}

std::string interval_note(const Evidence& evidence) {
  const std::size_t datasets = evidence.datasets().size();
  if (datasets > 1)
    return fmt::format(
        "Differences: 100 × (model − first row) by the same seed, mean over seeds and {} data sets [95 % interval when "
        "users are drawn with replacement within each, {} times, and data sets differ as these do].",
        datasets, evidence.experiment().resamples);
  return fmt::format(
      "Differences: 100 × (model − first row) by the same seed, mean over seeds [95 % interval when users are drawn "
      "with replacement, {} times].",
      evidence.experiment().resamples);
}

void add_power(ResultTable& table, const std::vector<Power>& metrics) {
  if (std::string note = power_note(metrics); !note.empty()) table.notes.push_back(std::move(note));
  for (const Power& power : metrics)
    if (std::string warning = power.warning(); !warning.empty()) table.warnings.push_back(std::move(warning));
  table.json["warnings"] = table.warnings;
}

nlohmann::ordered_json table_json(const Evidence& evidence, const std::string& id, const std::string& title) {
  const Experiment& experiment = evidence.experiment();
  nlohmann::ordered_json json = {{"id", id},
                                 {"title", title},
                                 {"seeds", experiment.seeds},
                                 {"resamples", experiment.resamples},
                                 {"test_rows", evidence.test_rows()}};
  if (experiment.datasets.size() > 1) json["datasets"] = experiment.datasets;
  return json;
}

}  // namespace mal

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
  const double mean = difference.spread.mean;
  if (!std::isfinite(mean)) return "n/a";
  return fmt::format("{} [{}, {}]", signed_text(mean), signed_text(difference.interval.low),
                     signed_text(difference.interval.high));
}

std::string change_text(double model, double base) {
  const double change = 100 * (model - base) / base;
  return std::isfinite(change) ? fmt::format("{:+.2f} %", change) : "n/a";
}

nlohmann::ordered_json spread_json(const Spread& spread) {
  return {{"mean", spread.mean}, {"deviation", spread.deviation}, {"seeds", spread.seeds}};
}

nlohmann::ordered_json difference_json(const Difference& difference) {
  nlohmann::ordered_json json = spread_json(difference.spread);
  json["low"] = difference.interval.low;
  json["high"] = difference.interval.high;
  json["standard_error"] = difference.error;
  json["detectable"] = detectable_difference(difference);
  return json;
}

std::string test_note(const Evidence& evidence, const ModelResult& base) {
  return fmt::format(
      "{} test rows, {:.0f} positives; {:.0f} users have both classes; {} seeds, mean ± standard deviation.",
      evidence.test().rows(), base.front().positives, base.front().users, evidence.experiment().seeds.size());
}

std::string interval_note(const Evidence& evidence) {
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
  return {{"id", id},
          {"title", title},
          {"seeds", experiment.seeds},
          {"resamples", experiment.resamples},
          {"test_rows", evidence.test().rows()}};
}

}  // namespace mal

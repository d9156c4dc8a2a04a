// Metrics as text and as JSON: the names here are the ones that docs/metrics.md defines.
#include <fmt/format.h>

#include "train/metrics/metrics.h"

namespace mal {

namespace {

struct Named {
  std::string_view name;
  std::optional<double> value;
  std::string definition;
};

std::vector<Named> named_values(const Metrics& m) {
  const std::string users = fmt::format("{} of {} users have both classes", m.users, m.all_users);
  return {{"auc", m.auc, "weighted by credit, exact, ties count half"},
          {"gauc", m.gauc, "AUC inside a user, users weighted by clicks; " + users},
          {"gauc_mean", m.gauc_mean, "the same, every user alike"},
          {"gauc_positive", m.gauc_positive, "the same, users weighted by positives"},
          {"logloss", m.logloss, "weighted by credit, from logits"},
          {"pcoc", m.pcoc, "weighted predictions / credited conversions, 1 is calibrated"},
          {"pcoc_credit", m.pcoc_credit, "predictions / credited conversions, negatives and positives alike"},
          {"ece", m.ece, fmt::format("{} bins of equal mass", kCalibrationBins)}};
}

// The shortest text that reads back as the same double.
std::string json_number(const std::optional<double>& value) {
  return value ? fmt::format("{}", *value) : "null";
}

}  // namespace

std::string to_text(const Metrics& metrics) {
  std::string text = fmt::format("{:<14} {:>10}  positives {}, credit {:.2f}", "rows", metrics.rows, metrics.positives,
                                 metrics.credit);
  text += metrics.weight ? fmt::format("; weights sum to {:.6g} and count in all below\n", *metrics.weight) : "\n";
  for (const Named& named : named_values(metrics)) {
    const std::string value = named.value ? fmt::format("{:.6f}", *named.value) : "n/a";
    text += fmt::format("{:<14} {:>10}  {}\n", named.name, value, named.definition);
  }
  return text;
}

std::string json_members(const Metrics& metrics, bool with_bins) {
  std::string text;
  for (const Named& named : named_values(metrics))
    text += fmt::format("\"{}\": {}, ", named.name, json_number(named.value));
  text += fmt::format("\"rows\": {}, \"positives\": {}, \"credit\": {}, \"users\": {}, \"all_users\": {}", metrics.rows,
                      metrics.positives, metrics.credit, metrics.users, metrics.all_users);
  if (metrics.weight) text += fmt::format(", \"weight\": {}", *metrics.weight);
  if (!with_bins) return text;
  text += ", \"reliability\": [";
  for (std::size_t b = 0; b < metrics.reliability.size(); ++b) {
    const ReliabilityBin& bin = metrics.reliability[b];
    text += fmt::format(
        "{}{{\"rows\": {}, \"positives\": {}, \"weight\": {}, \"predicted\": {}, \"observed\": {}, \"lowest\": {}, "
        "\"highest\": {}}}",
        b == 0 ? "" : ", ", bin.rows, bin.positives, bin.weight, bin.predicted, bin.observed, bin.lowest, bin.highest);
  }
  return text + "]";
}

}  // namespace mal

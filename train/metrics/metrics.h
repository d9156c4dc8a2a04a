// Every number that a test prints about a scored set of rows. docs/metrics.md defines each; MODELS.md §6 says why.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "train/metrics/calibration.h"

namespace mal {

// One entry a row. Logits must be finite, credits in [0, 1], weights finite and not negative; groups, slice and weights
// may be empty.
struct Scored {
  std::vector<float> logits;         // of the primary view
  std::vector<float> credits;        // of the primary view: label and weight of MODELS.md §1
  std::vector<std::int64_t> groups;  // users, for GAUC
  std::vector<std::int32_t> slice;   // for evaluate_slices
  std::vector<float> weights = {};   // of the rows
};

// What is undefined (a class is missing, no rows, no groups) has no value: "n/a" in text, null in JSON.
struct Metrics {
  std::int64_t rows = 0, positives = 0;
  double credit = 0;                // Σ c
  std::optional<double> weight;     // Σ s; nothing where the rows have no weights. The three above count rows alike
  std::optional<double> auc;        // weighted, exact
  std::optional<double> gauc;       // click-weighted, the paper's
  std::optional<double> gauc_mean;  // plain mean over users
  std::optional<double> gauc_positive;  // weighted by positives
  std::int64_t users = 0;               // with both classes: those that GAUC averages over
  std::int64_t all_users = 0;
  std::optional<double> logloss, pcoc, pcoc_credit, ece;  // calibration.h
  std::vector<ReliabilityBin> reliability;
};

struct SliceMetrics {
  std::int32_t value = 0;  // the slice column's code
  Metrics metrics;
};

inline constexpr int kCalibrationBins = 20;

// Throws Error that names the first row with a NaN or infinite logit or a credit outside [0, 1], and on vectors of
// different sizes. O(n log n).
Metrics evaluate(const Scored& scored);

// One entry a value of the column, ascending. The second form takes the column from elsewhere (one code a row).
std::vector<SliceMetrics> evaluate_slices(const Scored& scored);
std::vector<SliceMetrics> evaluate_slices(const Scored& scored, std::span<const std::int32_t> codes);

// Lines of "name  value  definition", for people.
std::string to_text(const Metrics& metrics);

// "auc": 0.71, "gauc": null, … : the members of a JSON object without its braces, numbers with all their digits.
// with_bins adds "reliability": [{"rows": …, "predicted": …}, …].
std::string json_members(const Metrics& metrics, bool with_bins);

}  // namespace mal

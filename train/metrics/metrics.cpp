#include "train/metrics/metrics.h"

#include <cmath>
#include <limits>
#include <map>

#include "engine/error.h"
#include "train/metrics/auc.h"
#include "train/metrics/gauc.h"
#include "train/metrics/sample.h"

namespace mal {

namespace {

void check_sizes(const Scored& scored) {
  const std::size_t rows = scored.logits.size();
  if (rows > std::numeric_limits<std::uint32_t>::max())
    fail("metrics: {} rows are too many, the limit is 2^32 - 1", rows);
  if (scored.credits.size() != rows || (!scored.groups.empty() && scored.groups.size() != rows) ||
      (!scored.weights.empty() && scored.weights.size() != rows))
    fail("metrics: {} logits, {} credits, {} groups and {} weights do not belong together", rows, scored.credits.size(),
         scored.groups.size(), scored.weights.size());
}

void check_values(const Scored& scored) {
  for (std::size_t i = 0; i < scored.logits.size(); ++i) {
    if (!std::isfinite(scored.logits[i]))
      fail("metrics: the logit of row {} is {}; the model's weights or its input are not finite", i, scored.logits[i]);
    const float credit = scored.credits[i];
    if (!(credit >= 0 && credit <= 1)) fail("metrics: the credit of row {} is {}, outside [0, 1]", i, credit);
  }
  for (std::size_t i = 0; i < scored.weights.size(); ++i)
    if (!(scored.weights[i] >= 0) || !std::isfinite(scored.weights[i]))
      fail("metrics: the weight of row {} is {}, not a finite number of 0 or more", i, scored.weights[i]);
}

void count(const Scored& scored, Metrics& metrics) {
  metrics.rows = static_cast<std::int64_t>(scored.logits.size());
  Sum credit;
  for (const float c : scored.credits) {
    if (!is_positive(c)) continue;
    ++metrics.positives;
    credit.add(static_cast<double>(c));
  }
  metrics.credit = credit.value();
  if (scored.weights.empty()) return;
  Sum weight;
  for (const float w : scored.weights) weight.add(static_cast<double>(w));
  metrics.weight = weight.value();
}

Scored rows_of(const Scored& scored, const std::vector<std::uint32_t>& rows) {
  Scored part;
  for (const std::uint32_t row : rows) {
    part.logits.push_back(scored.logits[row]);
    part.credits.push_back(scored.credits[row]);
    if (!scored.groups.empty()) part.groups.push_back(scored.groups[row]);
    if (!scored.weights.empty()) part.weights.push_back(scored.weights[row]);
  }
  return part;
}

}  // namespace

Metrics evaluate(const Scored& scored) {
  check_sizes(scored);
  check_values(scored);
  Metrics metrics;
  count(scored, metrics);
  const std::vector<std::uint32_t> order = order_by_logit(scored.logits);
  const RowWeights weights{scored.weights};
  metrics.auc = weighted_auc(scored.logits, scored.credits, order, weights);
  if (!scored.groups.empty()) {
    const GroupedAuc grouped = grouped_auc(scored.logits, scored.credits, scored.groups, order, weights);
    metrics.gauc = grouped.by_clicks;
    metrics.gauc_mean = grouped.mean;
    metrics.gauc_positive = grouped.by_positives;
    metrics.users = grouped.users;
    metrics.all_users = grouped.all_users;
  }
  Calibration calibrated = calibration(scored.logits, scored.credits, order, kCalibrationBins, weights);
  metrics.logloss = calibrated.logloss;
  metrics.pcoc = calibrated.pcoc;
  metrics.pcoc_credit = calibrated.pcoc_credit;
  metrics.ece = calibrated.ece;
  metrics.reliability = std::move(calibrated.bins);
  return metrics;
}

std::vector<SliceMetrics> evaluate_slices(const Scored& scored) {
  return evaluate_slices(scored, scored.slice);
}

std::vector<SliceMetrics> evaluate_slices(const Scored& scored, std::span<const std::int32_t> codes) {
  check_sizes(scored);
  if (codes.size() != scored.logits.size())
    fail("metrics: {} slice values for {} rows", codes.size(), scored.logits.size());
  check_values(scored);  // here, so that a message names the row of the whole set
  std::map<std::int32_t, std::vector<std::uint32_t>> rows;
  for (std::size_t i = 0; i < codes.size(); ++i) rows[codes[i]].push_back(static_cast<std::uint32_t>(i));
  std::vector<SliceMetrics> slices;
  slices.reserve(rows.size());
  for (const auto& [value, members] : rows) slices.push_back({value, evaluate(rows_of(scored, members))});
  return slices;
}

}  // namespace mal

#include "train/metrics/calibration.h"

#include <algorithm>
#include <cmath>

#include "train/metrics/sample.h"

namespace mal {

namespace {

// Running sums of one bin.
struct Bin {
  std::int64_t rows = 0, positives = 0;
  Sum weight, predicted, observed;
  double lowest = 0, highest = 0;

  void add(double p, float credit, double w) {
    if (rows == 0) lowest = p;
    highest = p;
    ++rows;
    weight.add(w);
    predicted.add(w * p);
    if (!is_positive(credit)) return;
    ++positives;
    observed.add(w);
  }

  ReliabilityBin finish() const {
    const double w = weight.value();
    return {rows, positives, w, predicted.value() / w, observed.value() / w, lowest, highest};
  }
};

std::vector<ReliabilityBin> equal_mass_bins(std::span<const float> logits, std::span<const float> credits,
                                            std::span<const std::uint32_t> order, double total_weight, int bins,
                                            const RowWeights& weights) {
  std::vector<Bin> filled(static_cast<std::size_t>(bins));
  Sum below;
  for (std::size_t begin = 0; begin < order.size();) {
    const float logit = logits[order[begin]];
    Sum tied;
    std::size_t end = begin;
    for (; end < order.size() && logits[order[end]] == logit; ++end)
      tied.add(sample_weight(credits[order[end]]) * weights.of(order[end]));
    const double middle = below.value() + 0.5 * tied.value();
    // Multiplied first: a middle that lies exactly on a boundary then divides exactly.
    const double bin = std::floor(bins * middle / total_weight);
    const auto index = static_cast<std::size_t>(std::clamp(bin, 0.0, bins - 1.0));
    const double p = sigmoid(static_cast<double>(logit));
    for (std::size_t i = begin; i < end; ++i)
      filled[index].add(p, credits[order[i]], sample_weight(credits[order[i]]) * weights.of(order[i]));
    below.add(tied.value());
    begin = end;
  }
  std::vector<ReliabilityBin> result;
  for (const Bin& bin : filled)
    if (bin.weight.value() > 0) result.push_back(bin.finish());
  return result;
}

}  // namespace

Calibration calibration(std::span<const float> logits, std::span<const float> credits,
                        std::span<const std::uint32_t> order, int bins, const RowWeights& weights) {
  Calibration result;
  if (order.empty()) return result;
  Sum weight, loss, predicted, weighted_predicted, credited;
  for (const std::uint32_t row : order) {
    const auto logit = static_cast<double>(logits[row]);
    const float credit = credits[row];
    const double s = weights.of(row), w = sample_weight(credit) * s, p = sigmoid(logit);
    weight.add(w);
    loss.add(w * softplus(is_positive(credit) ? -logit : logit));
    predicted.add(s * p);
    weighted_predicted.add(w * p);
    if (is_positive(credit)) credited.add(w);  // w l = c
  }
  if (!(weight.value() > 0)) return result;  // every row has the weight 0
  result.logloss = loss.value() / weight.value();
  if (credited.value() > 0) {
    result.pcoc = weighted_predicted.value() / credited.value();
    result.pcoc_credit = predicted.value() / credited.value();
  }
  result.bins = equal_mass_bins(logits, credits, order, weight.value(), bins, weights);
  Sum error;
  for (const ReliabilityBin& bin : result.bins) error.add(bin.weight * std::abs(bin.predicted - bin.observed));
  result.ece = error.value() / weight.value();
  return result;
}

}  // namespace mal

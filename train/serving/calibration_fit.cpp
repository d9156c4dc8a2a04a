#include "train/serving/calibration_fit.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "engine/error.h"
#include "train/metrics/auc.h"
#include "train/metrics/sample.h"

namespace mal {

namespace {

// A step of the function: sums over its rows.
struct Step {
  double weight = 0, positive = 0, logit = 0;  // Σ w, Σ w l, Σ w x
  double value() const { return positive / weight; }
  void add(const Step& other) {
    weight += other.weight;
    positive += other.positive;
    logit += other.logit;
  }
};

std::vector<Step> pool_violators(std::span<const float> logits, std::span<const float> credits,
                                 const RowWeights& weights) {
  std::vector<Step> steps;
  const std::vector<std::uint32_t> order = order_by_logit(logits);
  for (std::size_t i = 0; i < order.size();) {
    Step step;
    const float x = logits[order[i]];
    for (; i < order.size() && logits[order[i]] == x; ++i) {  // equal logits get one probability
      const float credit = credits[order[i]];
      const double w = sample_weight(credit) * weights.of(order[i]);
      step.add({w, is_positive(credit) ? w : 0, w * static_cast<double>(x)});
    }
    if (step.weight == 0) continue;  // rows that count for nothing
    while (!steps.empty() && steps.back().value() >= step.value()) {
      step.add(steps.back());
      steps.pop_back();
    }
    steps.push_back(step);
  }
  return steps;
}

// Neighbours joined until few enough are left; means of rising values rise.
std::vector<Step> thin(std::vector<Step> steps, std::size_t most) {
  while (steps.size() > most) {
    std::vector<Step> joined;
    for (std::size_t i = 0; i < steps.size(); ++i) {
      if (i % 2 == 0)
        joined.push_back(steps[i]);
      else
        joined.back().add(steps[i]);
    }
    steps = std::move(joined);
  }
  return steps;
}

}  // namespace

IsotonicCurve fit_isotonic(std::span<const float> logits, std::span<const float> credits, std::size_t max_knots,
                           const RowWeights& weights) {
  if (logits.empty()) fail("calibrate: there are no rows to fit on");
  constexpr double kLeast = 1e-6;
  IsotonicCurve curve;
  for (const Step& step : thin(pool_violators(logits, credits, weights), max_knots)) {
    const auto x = static_cast<float>(step.logit / step.weight);
    const auto y = static_cast<float>(std::clamp(step.value(), kLeast, 1 - kLeast));
    // Steps that lie closer together than floats can tell apart are one.
    if (!curve.x.empty() && curve.x.back() >= x) {
      curve.y.back() = y;
      continue;
    }
    curve.x.push_back(x);
    curve.y.push_back(y);
  }
  if (curve.x.empty()) fail("calibrate: every row has the weight 0");
  return curve;
}

PlattLine fit_platt(std::span<const float> logits, std::span<const float> credits, const RowWeights& weights) {
  bool positives = false, negatives = false;
  for (std::size_t r = 0; r < credits.size(); ++r)
    if (weights.of(r) > 0) (is_positive(credits[r]) ? positives : negatives) = true;
  if (!positives || !negatives) fail("calibrate: the rows hold one class alone; a slope needs both");
  constexpr int kMaxSteps = 100;
  constexpr double kEnough = 1e-10, kRidge = 1e-9;
  double slope = 1, shift = 0;
  for (int step = 0; step < kMaxSteps; ++step) {
    double g0 = 0, g1 = 0, h00 = kRidge, h01 = 0, h11 = kRidge;
    for (std::size_t r = 0; r < logits.size(); ++r) {
      const double x = static_cast<double>(logits[r]), w = sample_weight(credits[r]) * weights.of(r);
      const double p = sigmoid(slope * x + shift), away = w * (p - (is_positive(credits[r]) ? 1 : 0));
      const double curvature = w * p * (1 - p);
      g0 += away * x;
      g1 += away;
      h00 += curvature * x * x;
      h01 += curvature * x;
      h11 += curvature;
    }
    const double determinant = h00 * h11 - h01 * h01;
    if (!(determinant > 0)) break;  // all logits equal: the shift alone was found
    const double d0 = (h11 * g0 - h01 * g1) / determinant, d1 = (h00 * g1 - h01 * g0) / determinant;
    slope -= d0;
    shift -= d1;
    if (std::abs(d0) + std::abs(d1) < kEnough) break;
  }
  if (!std::isfinite(slope) || !std::isfinite(shift)) fail("calibrate: no line fits these rows; use --method isotonic");
  if (slope < 0) fail("calibrate: higher scores are less often positive here; the model ranks these rows upside down");
  return {static_cast<float>(slope), static_cast<float>(shift)};
}

}  // namespace mal

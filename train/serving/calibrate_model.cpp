#include "train/serving/calibrate_model.h"

#include <cmath>
#include <memory>
#include <span>

#include "engine/error.h"
#include "model/inference/model_file.h"
#include "train/metrics/auc.h"
#include "train/metrics/metrics.h"
#include "train/serving/calibration_fit.h"
#include "train/serving/dataset_scores.h"

namespace mal {

namespace {

using Curve = infer::detail::Calibration;
constexpr std::size_t kKnots = 512;

// Rows of a split, or of a part of it.
struct Rows {
  std::span<const float> logits, credits, weights;  // weights: may be empty
};
Rows part_of(const Rows& rows, std::size_t first, std::size_t count) {
  return {rows.logits.subspan(first, count), rows.credits.subspan(first, count),
          rows.weights.empty() ? rows.weights : rows.weights.subspan(first, count)};
}

Curve fit(const std::string& method, const Rows& rows) {
  Curve made;
  if (method == "platt") {
    const PlattLine line = fit_platt(rows.logits, rows.credits, {rows.weights});
    made.kind = Curve::Kind::platt;
    made.slope = line.slope;
    made.shift = line.shift;
  } else {
    IsotonicCurve curve = fit_isotonic(rows.logits, rows.credits, kKnots, {rows.weights});
    made.kind = Curve::Kind::isotonic;
    made.x = std::move(curve.x);
    made.y = std::move(curve.y);
  }
  return made;
}

std::string shown(const std::optional<double>& value) {
  return value ? fmt::format("{:.5f}", *value) : "n/a";
}

void print(const char* what, const Rows& rows) {
  const auto result =
      calibration(rows.logits, rows.credits, order_by_logit(rows.logits), kCalibrationBins, {rows.weights});
  fmt::print("{:<12} logloss {}  pcoc {}  ece {}\n", what, shown(result.logloss), shown(result.pcoc),
             shown(result.ece));
}

// Fits on the first half and measures on the second, later one: what the curve is worth on rows it was not fitted to.
void print_held_out(const std::string& method, const Rows& rows) {
  const std::size_t half = rows.logits.size() / 2;
  const Rows second = part_of(rows, half, rows.logits.size() - half);
  const Curve first = fit(method, part_of(rows, 0, half));
  std::vector<float> calibrated;
  for (const float logit : second.logits) {
    const double p = static_cast<double>(first.probability(logit));
    calibrated.push_back(static_cast<float>(std::log(p) - std::log1p(-p)));
  }
  fmt::print("fitted on the first half of the rows, measured on the second:\n");
  print("before", second);
  print("after", {calibrated, second.credits, second.weights});
}

FileTensor floats(const std::string& name, std::vector<float> values) {
  const std::uint64_t count = values.size();
  auto kept = std::make_shared<std::vector<float>>(std::move(values));
  return {
      name, "F32", {count}, [kept](const FileTensor::Sink& sink) { sink(kept->data(), kept->size() * sizeof(float)); }};
}

}  // namespace

void calibrate_model(const CalibrateOptions& options) {
  if (options.method != "isotonic" && options.method != "platt")
    fail_usage("--method {}: it must be isotonic or platt", options.method);
  if (options.split != "test" && options.split != "train")
    fail_usage("--split {}: it must be test or train", options.split);
  infer::Result<infer::Model> model = infer::Model::try_load(options.model);
  if (!model.ok()) fail("{}", model.status().message());
  const Dataset dataset = Dataset::open(options.dataset);
  check_same_data(*model, options.model, options.dataset);
  const HeaderScores scores = score_with_header(*model, dataset, options.split == "test" ? Split::test : Split::train);
  if (scores.logits.size() < 2) fail("{}: the {} split has no rows to fit on", options.dataset, options.split);
  const Rows rows{scores.logits, scores.credits, scores.weights};
  print_held_out(options.method, rows);

  const Curve all = fit(options.method, rows);
  std::vector<FileTensor> tensors;
  if (all.kind == Curve::Kind::platt) {
    tensors.push_back(floats("calibration/platt", {all.slope, all.shift}));
  } else {
    tensors.push_back(floats("calibration/x", all.x));
    tensors.push_back(floats("calibration/y", all.y));
  }
  const std::string& out = options.out.empty() ? options.model : options.out;
  rewrite_model_file(options.model, out, "calibration/", {{"calibration", options.method}}, tensors);
  infer::Result<infer::Model> written = infer::Model::try_load(out);
  if (!written.ok()) fail("{}", written.status().message());
  fmt::print("{}: {} calibration fitted on all {} rows{}\n", out, options.method, scores.logits.size(),
             all.x.empty() ? "" : fmt::format(", {} knots", all.x.size()));
}

}  // namespace mal

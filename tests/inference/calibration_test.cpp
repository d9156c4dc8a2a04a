// Curves from logits to probabilities: fitted against slow definitions, and served from the file.
#include <catch2/catch.hpp>
#include <cmath>

#include "tests/inference/exported_model.h"
#include "train/metrics/sample.h"
#include "train/serving/calibration_fit.h"

namespace {

using namespace mal;

struct Rows {
  std::vector<float> logits, credits;
};

// Positive with probability σ(slope · x + shift).
Rows draw(std::size_t n, double slope, double shift) {
  const Random random(3, "calibration");
  Rows rows;
  for (std::uint64_t i = 0; i < n; ++i) {
    const double x = 2 * random.normal(2 * i);
    rows.logits.push_back(static_cast<float>(x));
    rows.credits.push_back(random.uniform(2 * (n + i) + 1) < sigmoid(slope * x + shift) ? 1.0F : 0.0F);
  }
  return rows;
}

TEST_CASE("platt finds the line that the rows were drawn from") {
  const Rows rows = draw(20'000, 0.7, -1.5);
  const PlattLine line = fit_platt(rows.logits, rows.credits);
  CHECK(line.slope == Approx(0.7).margin(0.04));
  CHECK(line.shift == Approx(-1.5).margin(0.06));
  CHECK_THROWS(fit_platt(rows.logits, std::vector<float>(rows.logits.size(), 0.0F)));
  const Rows upside_down = draw(2'000, -1, 0);
  CHECK_THROWS(fit_platt(upside_down.logits, upside_down.credits));
}

TEST_CASE("curves of weighted rows are those of rows that are there so many times") {
  const Rows rows = draw(400, 0.7, -1);
  Rows repeated;
  std::vector<float> weights;
  for (std::size_t i = 0; i < rows.logits.size(); ++i) {
    weights.push_back(static_cast<float>(i * i % 4));
    repeated.logits.insert(repeated.logits.end(), i * i % 4, rows.logits[i]);
    repeated.credits.insert(repeated.credits.end(), i * i % 4, rows.credits[i]);
  }
  const PlattLine line = fit_platt(rows.logits, rows.credits, {weights});
  const PlattLine obvious = fit_platt(repeated.logits, repeated.credits);
  CHECK(line.slope == Approx(obvious.slope).epsilon(1e-6));
  CHECK(line.shift == Approx(obvious.shift).epsilon(1e-6));
  const IsotonicCurve curve = fit_isotonic(rows.logits, rows.credits, 512, {weights});
  const IsotonicCurve steps = fit_isotonic(repeated.logits, repeated.credits);
  REQUIRE(curve.y.size() == steps.y.size());
  for (std::size_t k = 0; k < curve.y.size(); ++k) {
    CHECK(curve.x[k] == Approx(steps.x[k]).epsilon(1e-6));
    CHECK(curve.y[k] == Approx(steps.y[k]).epsilon(1e-6));
  }
  const std::vector<float> none(rows.logits.size(), 0.0F);
  CHECK_THROWS(fit_platt(rows.logits, rows.credits, {none}));
  CHECK_THROWS(fit_isotonic(rows.logits, rows.credits, 512, {none}));
}

// min over rising functions of Σ w (l − f)²: the max-min formula, O(n²) a row.
double max_min(const Rows& rows, std::size_t row) {
  double best = -1;
  for (std::size_t a = 0; a <= row; ++a) {
    double lowest = 2;
    for (std::size_t b = row; b < rows.logits.size(); ++b) {
      double weight = 0, positive = 0;
      for (std::size_t i = a; i <= b; ++i) {
        const double w = sample_weight(rows.credits[i]);
        weight += w;
        positive += is_positive(rows.credits[i]) ? w : 0;
      }
      lowest = std::min(lowest, positive / weight);
    }
    best = std::max(best, lowest);
  }
  return best;
}

TEST_CASE("isotonic regression is the max-min formula") {
  Rows rows = draw(60, 1, 0);
  std::ranges::sort(rows.logits);
  for (std::size_t i = 0; i < rows.credits.size(); i += 3) rows.credits[i] *= 0.4F;
  const IsotonicCurve curve = fit_isotonic(rows.logits, rows.credits);
  REQUIRE(curve.x.size() == curve.y.size());
  CHECK(std::ranges::is_sorted(curve.x));
  CHECK(std::ranges::is_sorted(curve.y));
  // Each knot is a level of the step function, and each level has a knot.
  for (std::size_t row = 0; row < rows.logits.size(); ++row) {
    const double level = std::clamp(max_min(rows, row), 1e-6, 1 - 1e-6);
    const bool found =
        std::ranges::any_of(curve.y, [&](float y) { return std::abs(static_cast<double>(y) - level) < 1e-6; });
    CHECK(found);
  }
  const Rows many = draw(5'000, 1, 0);
  CHECK(fit_isotonic(many.logits, many.credits, 8).x.size() <= 8);
  CHECK_THROWS(fit_isotonic({}, {}));
}

TEST_CASE("a calibration in the file is what the header serves") {
  test::ExportedModel exported(test::small_config("mal"));
  const auto floats = [](const std::string& name, const std::vector<float>& values) {
    return FileTensor{name, "F32", {values.size()}, [values](const FileTensor::Sink& sink) {
                        sink(values.data(), values.size() * sizeof(float));
                      }};
  };
  const auto serve = [&](float& logit) {
    const infer::Model model = infer::Model::load(exported.path);
    infer::Features row = model.features();
    exported.fill(row, 3, {}, true);
    float p = 0;
    infer::Predictions out;
    out.probability = &p;
    out.logit = &logit;
    model.scorer().predict(&row, 1, out);
    CHECK(model.calibrated());
    return p;
  };
  float logit = 0;
  rewrite_model_file(exported.path, exported.path, "calibration/", {{"calibration", "platt"}},
                     {floats("calibration/platt", {0.5F, -2.0F})});
  const float platt = serve(logit);
  CHECK(platt == Approx(sigmoid(0.5 * static_cast<double>(logit) - 2)).epsilon(1e-6));
  rewrite_model_file(exported.path, exported.path, "calibration/", {{"calibration", "isotonic"}},
                     {floats("calibration/x", {logit - 1, logit + 3}), floats("calibration/y", {0.1F, 0.5F})});
  CHECK(serve(logit) == Approx(0.2).epsilon(1e-5));
  rewrite_model_file(exported.path, exported.path, "calibration/", {{"calibration", "isotonic"}},
                     {floats("calibration/x", {logit + 1, logit + 3}), floats("calibration/y", {0.1F, 0.5F})});
  CHECK(serve(logit) == Approx(0.1));
  // Curves that fall, leave [0, 1] or go back are refused.
  for (const auto& [x, y] : std::vector<std::pair<std::vector<float>, std::vector<float>>>{
           {{0, 1}, {0.5F, 0.4F}}, {{0, 1}, {0.5F, 1.5F}}, {{1, 1}, {0.1F, 0.2F}}, {{2, 1}, {0.1F, 0.2F}}}) {
    rewrite_model_file(exported.path, exported.path, "calibration/", {{"calibration", "isotonic"}},
                       {floats("calibration/x", x), floats("calibration/y", y)});
    CHECK(infer::Model::try_load(exported.path).status().code() == infer::Code::bad_model);
  }
}

}  // namespace

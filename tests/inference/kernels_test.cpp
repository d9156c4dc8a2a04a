// Every set of kernels that this processor runs, against products in float64: any number of rows and outputs, parts of
// the inputs, everything that can be added, whole and half-wide weights.
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "engine/random.h"
#include "model/inference/mal_infer.h"

namespace {

using namespace mal;
namespace d = infer::detail;

std::vector<const d::Kernels*> all_kernels() {
  std::vector<const d::Kernels*> list = {&d::kPortable};
#if MAL_INFER_VECTOR
  if (&d::kernels() != &d::kPortable) list.push_back(&d::kVectored);
#endif
  return list;
}

class Numbers {
 public:
  float next() { return static_cast<float>(random_.normal(counter_++)); }
  std::vector<float> list(std::size_t n) {
    std::vector<float> values(n);
    for (float& value : values) value = next();
    return values;
  }

 private:
  Random random_{3, "kernels"};
  std::uint64_t counter_ = 0;
};

struct Case {
  std::size_t rows, inputs, outputs;
  bool bias, extra, add, halves;
  d::Activation activation;
  std::vector<d::Segment> segments;
};

double activated(double x, d::Activation activation) {
  if (activation == d::Activation::relu) return std::max(0.0, x);
  return activation == d::Activation::swish ? x / (1 + std::exp(-x)) : x;
}

void check(const d::Kernels& kernels, const Case& c) {
  INFO(kernels.name << ", " << c.rows << " rows, " << c.inputs << " to " << c.outputs << ", halves " << c.halves);
  Numbers numbers;
  const std::size_t wide = d::padded(c.outputs), ldx = c.inputs + 3, ldy = c.outputs + 1;
  std::vector<float> x = numbers.list(c.rows * ldx);
  for (std::size_t i = 0; i < x.size(); i += 3) x[i] = 0;  // as ReLU leaves them
  const std::vector<float> bias = numbers.list(wide), extra = numbers.list(d::kExtras * wide),
                           coefficients = numbers.list(d::kExtras * c.rows), add = numbers.list(c.rows * ldy);
  std::vector<float> weight = numbers.list(c.inputs * c.outputs), panels(wide * c.inputs), strips(panels.size());
  std::vector<std::uint16_t> halves(panels.size()), half_strips(panels.size());
  for (std::size_t k = 0; k < c.inputs; ++k)
    for (std::size_t n = 0; n < c.outputs; ++n) {
      float& w = weight[k * c.outputs + n];
      const auto bits = static_cast<std::uint16_t>(d::load_as<std::uint32_t>(&w) >> 16);
      if (c.halves) w = d::widened(bits);
      const std::size_t lane = n % d::kLanes, panel = d::panel_place(c.inputs, k, n - lane);
      const std::size_t strip = d::strip_place(c.inputs, c.outputs, k, n - lane);
      panels[panel + lane] = strips[strip + lane] = w;
      halves[panel + d::half_place(lane)] = half_strips[strip + d::half_place(lane)] = bits;
    }
  std::vector<float> y(c.rows * ldy, 77.0F);
  d::Product p;
  p.x = x.data(), p.ldx = ldx, p.inputs = c.inputs;
  if (c.halves)
    p.halves = halves.data(), p.half_strips = half_strips.data();
  else
    p.panels = panels.data(), p.strips = strips.data();
  if (c.bias) p.bias = bias.data();
  if (c.extra) p.extra = extra.data(), p.ldextra = wide, p.coefficients = coefficients.data();
  if (c.add) p.add = add.data(), p.ldadd = ldy;
  p.segments = c.segments.data(), p.segment_count = c.segments.size();
  p.y = y.data(), p.ldy = ldy, p.rows = c.rows, p.outputs = c.outputs, p.activation = c.activation;
  kernels.product(p);
  for (std::size_t r = 0; r < c.rows; ++r) {
    for (std::size_t n = 0; n < c.outputs; ++n) {
      double sum = c.bias ? static_cast<double>(bias[n]) : 0;
      for (std::size_t e = 0; c.extra && e < d::kExtras; ++e)
        sum += static_cast<double>(coefficients[d::kExtras * r + e]) * static_cast<double>(extra[e * wide + n]);
      for (const d::Segment& s : c.segments)
        for (std::size_t k = s.first; k < s.first + s.count; ++k)
          sum += static_cast<double>(x[r * ldx + k]) * static_cast<double>(weight[k * c.outputs + n]);
      if (c.add) sum += static_cast<double>(add[r * ldy + n]);
      REQUIRE(static_cast<double>(y[r * ldy + n]) == Approx(activated(sum, c.activation)).margin(2e-5));
    }
    REQUIRE(y[r * ldy + c.outputs] == 77.0F);  // nothing behind the last output
  }
}

TEST_CASE("products with every set of kernels") {
  CHECK(all_kernels().back() == &d::kernels());
  for (const d::Kernels* kernels : all_kernels())
    for (const bool halves : {false, true})
      for (const std::size_t rows : {1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 25})
        for (const std::size_t outputs : {1, 8, 15, 16, 17, 33, 48, 64, 70, 128}) {
          check(*kernels, {rows, 37, outputs, true, false, false, halves, d::Activation::relu, {{0, 37}}});
          check(*kernels, {rows, 37, outputs, true, true, true, halves, d::Activation::none, {{1, 5}, {9, 20}}});
          check(*kernels, {rows, 9, outputs, false, false, true, halves, d::Activation::swish, {{0, 9}}});
          check(*kernels, {rows, 3, outputs, false, true, false, halves, d::Activation::none, {}});
          check(*kernels, {rows, 150, outputs, true, false, false, halves, d::Activation::relu, {{2, 131}, {140, 9}}});
        }
}

TEST_CASE("ReLU lets NaN through, with every set of kernels") {
  for (const d::Kernels* kernels : all_kernels())
    for (const std::size_t rows : {1, 2, 6}) {
      const float x[6] = {1, 1, 1, 1, 1, 1};
      std::vector<float> panels(16, -1.0F), y(6 * 16);
      panels[3] = std::numeric_limits<float>::quiet_NaN();
      const d::Segment all = {0, 1};
      d::Product p;
      p.x = x, p.ldx = 1, p.inputs = 1, p.panels = p.strips = panels.data(), p.segments = &all, p.segment_count = 1;
      p.y = y.data(), p.ldy = 16, p.rows = rows, p.outputs = 16, p.activation = d::Activation::relu;
      kernels->product(p);
      for (std::size_t r = 0; r < rows; ++r) CHECK((std::isnan(y[16 * r + 3]) && y[16 * r] == 0));
    }
}

TEST_CASE("sums and norms with every set of kernels") {
  for (const d::Kernels* kernels : all_kernels())
    for (const std::size_t n : {0, 1, 7, 8, 16, 31, 100}) {
      Numbers numbers;
      std::vector<float> x = numbers.list(n);
      const std::vector<float> before = x, gamma = numbers.list(n);
      double sum = 0, squares = 0;
      for (const float value : x) {
        sum += static_cast<double>(value);
        squares += std::pow(static_cast<double>(value) - 0.25, 2);
      }
      CHECK(static_cast<double>(kernels->sum(x.data(), n)) == Approx(sum).margin(1e-5));
      CHECK(static_cast<double>(kernels->squares(x.data(), n, 0.25F)) == Approx(squares).margin(1e-5));
      kernels->normalise(x.data(), n, 0.25F, 3.0F, gamma.data());
      for (std::size_t i = 0; i < n; ++i) CHECK(x[i] == Approx((before[i] - 0.25F) * 3.0F * gamma[i]).margin(1e-6));
    }
}

}  // namespace

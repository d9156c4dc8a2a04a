#include <catch2/catch.hpp>
#include <cmath>

#include "train/abtest/cumulative_hazard.h"
#include "train/simulate/intent.h"

namespace mal {
namespace {

// ∫_0^z (1 − e^(−s)) / s ds by the midpoint rule.
double ein_slowly(double z) {
  constexpr int kSteps = 200'000;
  double sum = 0;
  for (int i = 0; i < kSteps; ++i) {
    const double s = z * (i + 0.5) / kSteps;
    sum += -std::expm1(-s) / s;
  }
  return sum * z / kSteps;
}

TEST_CASE("the integrated hazard is Ein", "[abtest]") {
  CHECK(ein(0) == 0);
  CHECK(ein(1e-9) == Approx(1e-9));
  for (const double z : {0.1, 1.0, 3.9, 3.999999, 4.0, 4.1, 10.0, 50.0})
    CHECK(ein(z) == Approx(ein_slowly(z)).epsilon(1e-9));
  CHECK(ein(1000) == Approx(std::log(1000.0) + 0.5772156649).epsilon(1e-9));
  for (const double x : {0.01, 0.7, 3.0, 20.0})
    for (const double share : {0.001, 0.3, 0.99}) {
      const double y = intent_after(x, share * ein(x));
      CHECK(ein(x) - ein(y) == Approx(share * ein(x)).epsilon(1e-9));
    }
  CHECK(intent_after(2, ein(2)) == 0);
  CHECK(intent_after(2, 0) == Approx(2));
}

TEST_CASE("what a click causes is what the simulator's own draws make", "[abtest]") {
  // The log draws conversions by thinning: how often one comes from intent x, against the formula.
  constexpr double kConversion = 0.3, kHalfLife = 86400, kIntent = 1.5;
  const Hazard hazard = {kHalfLife, kConversion * 0.6931471805599453 / kHalfLife};
  const Random random(3, "test");
  int converted = 0;
  constexpr int kTries = 40'000;
  for (std::uint64_t i = 0; i < kTries; ++i) {
    Draws draws(random, i);
    converted += std::isfinite(sample_conversion(hazard, kIntent, 1e9, draws)) ? 1 : 0;
  }
  const double expected = caused_conversions(0, kIntent, kConversion);
  CHECK(std::abs(converted - kTries * expected) < 4 * std::sqrt(kTries * expected));
  // One click after the other adds up.
  CHECK(caused_conversions(0, 0.5, kConversion) + caused_conversions(0.5, 1.0, kConversion) == Approx(expected));
}

}  // namespace
}  // namespace mal

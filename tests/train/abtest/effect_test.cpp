#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>
#include <vector>

#include "engine/random.h"
#include "train/abtest/abtest_report.h"
#include "train/abtest/effect.h"

namespace mal {
namespace {

FractionOf values(const std::vector<double>& of) {
  return [&of](std::size_t user) { return Fraction{of[user], 1}; };
}

TEST_CASE("the difference of two arms by hand", "[abtest]") {
  const std::vector<double> a = {0, 1, 2, 3, 0, 0}, b = {0, 0, 0, 1, 1, 2};
  const std::vector<std::uint32_t> first = {0, 1, 2, 3}, last = {3, 4, 5};
  // Means 1.5 and 4/3; ψ of a: −1, −1/3, 1/3, 1; of b: −1/4, −1/4, 1/2.
  const LogRatio ratio = log_ratio(values(a), first, values(b), last);
  CHECK(ratio.value == Approx(std::log(1.5 * 3 / 4)));
  CHECK(ratio.variance == Approx((2 + 2.0 / 9) / 3 / 4 + (0.375) / 2 / 3));
  const Effect effect = effect_of({&ratio, 1});
  CHECK(effect.change == Approx(12.5));
  CHECK(effect.high == Approx(100 * (1.125 * std::exp(1.959964 * std::sqrt(ratio.variance)) - 1)));
  CHECK_FALSE(effect.clear());

  // ROI: 6 / 3 against 4 / 6. Paired, since the users are the same.
  const std::vector<double> spend_a = {1, 1, 0, 1, 0, 0}, spend_b = {1, 1, 1, 1, 1, 1};
  std::vector<std::uint32_t> all(6);
  std::iota(all.begin(), all.end(), 0U);
  const auto roi_a = [&](std::size_t u) { return Fraction{a[u], spend_a[u]}; };
  const auto roi_b = [&](std::size_t u) { return Fraction{b[u], spend_b[u]}; };
  const LogRatio roi = log_ratio(roi_a, all, roi_b, all);
  CHECK(roi.value == Approx(std::log(3.0)));
  double squares = 0;
  for (std::size_t u = 0; u < 6; ++u)
    squares += std::pow(a[u] / 1 - spend_a[u] / 0.5 - b[u] / (4.0 / 6) + spend_b[u], 2);
  CHECK(roi.variance == Approx(squares / 5 / 6));
  // An arm against itself differs in nothing.
  CHECK(log_ratio(roi_a, all, roi_a, all).variance == 0);
  CHECK(std::isnan(log_ratio(values(std::vector<double>(6, 0.0)), all, roi_a, all).value));
}

TEST_CASE("intervals over users hold the truth in 95 of 100", "[abtest]") {
  // Heavy tails: e^(1.2 z) for one user in ten, 0 for the others. No difference between the arms.
  const Random random(4, "test");
  int alarms = 0;
  constexpr int kTests = 400;
  constexpr std::uint32_t kUsers = 2000;
  std::vector<std::uint32_t> a(kUsers / 2), b(kUsers / 2);
  std::iota(a.begin(), a.end(), 0U);
  std::iota(b.begin(), b.end(), kUsers / 2);
  for (std::uint64_t test = 0; test < kTests; ++test) {
    std::vector<double> gmv(kUsers);
    for (std::uint64_t u = 0; u < kUsers; ++u)
      gmv[u] = random.uniform(2 * (test * kUsers + u)) < 0.1
                   ? std::exp(1.2 * random.normal(2 * (test * kUsers + u) + 1))
                   : 0;
    const LogRatio ratio = log_ratio(values(gmv), a, values(gmv), b);
    alarms += effect_of({&ratio, 1}).clear() ? 1 : 0;
  }
  CHECK(alarms <= largest_chance_share(kTests) * kTests);
  CHECK(alarms >= 0.02 * kTests);
}

TEST_CASE("several seeds: the spread between them counts", "[abtest]") {
  const std::vector<LogRatio> alike = {{0.02, 1e-4}, {0.02, 1e-4}, {0.02, 1e-4}},
                              apart = {{0, 1e-4}, {0.02, 1e-4}, {0.1, 1e-4}};
  const Effect close = effect_of(alike), far = effect_of(apart);
  CHECK(close.change == Approx(100 * std::expm1(0.02)));
  CHECK(close.high == Approx(100 * std::expm1(0.02 + 1.96 * 0.01 / std::sqrt(3.0))).epsilon(0.01));
  // s = 0.0529, t with 2 degrees of freedom: 4.303.
  CHECK(far.high == Approx(100 * std::expm1(0.04 + 4.303 * 0.05292 / std::sqrt(3.0))).epsilon(0.01));
  CHECK(far.low < 0);
}

TEST_CASE("the chance of false alarms is binomial", "[abtest]") {
  CHECK(largest_chance_share(200) == Approx(0.08));  // P(X ≤ 16) = 0.976 of B(200, 0.05), P(X ≤ 15) = 0.956
  CHECK(largest_chance_share(20) == Approx(0.15));   // P(X ≤ 3) = 0.984, P(X ≤ 2) = 0.925
}

}  // namespace
}  // namespace mal

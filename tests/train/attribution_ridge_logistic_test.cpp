// The solver of `logistic`: at a minimum the gradient is 0, however flat the valley.
#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <random>
#include <vector>

#include "tests/train/attribution_support.h"
#include "train/attribution/attribute.h"
#include "train/attribution/coalitions.h"
#include "train/attribution/logistic.h"
#include "train/attribution/ridge_logistic.h"

namespace mal {
namespace {

using Catch::Matchers::Contains;

struct Problem {
  std::vector<std::vector<std::uint32_t>> features;
  std::vector<double> trials, successes;

  std::vector<LogisticRow> rows() const {
    std::vector<LogisticRow> rows;
    for (std::size_t r = 0; r < features.size(); ++r) rows.push_back({features[r], trials[r], successes[r]});
    return rows;
  }
  void add(std::vector<std::uint32_t> row, double n, double k) {
    features.push_back(std::move(row));
    trials.push_back(n);
    successes.push_back(k);
  }
};

// Of the loss, written down once more, in long double; the largest in units of what a coefficient is worth.
double largest_gradient(const Problem& problem, std::uint32_t features, double ridge, const LogisticCoefficients& at) {
  std::vector<long double> gradient(features + 1), curvature(features + 1);
  for (std::size_t r = 0; r < problem.features.size(); ++r) {
    long double margin = at.intercept;
    for (const std::uint32_t c : problem.features[r]) margin += at.features[c];
    const long double rate = 1 / (1 + std::exp(-margin));
    for (std::size_t c = 0; c <= features; ++c) {
      const bool has = c == features || std::ranges::find(problem.features[r], c) != problem.features[r].end();
      if (!has) continue;
      gradient[c] += problem.trials[r] * rate - problem.successes[r];
      curvature[c] += problem.trials[r] * rate * (1 - rate);
    }
  }
  long double largest = 0;
  for (std::size_t c = 0; c < features; ++c)
    if (at.features[c] != 0) largest = std::max(largest, std::abs(gradient[c] + ridge * at.features[c]));
  return static_cast<double>(std::max(largest, std::abs(gradient[features] + 1e-6L * at.intercept)));
}

TEST_CASE("logistic: the fit is the minimum, also of channels that hardly overlap", "[attribution]") {
  std::mt19937 random(3);
  const auto uniform = [&] { return static_cast<double>(random() % 1000000) / 1e6; };
  for (const std::uint32_t features : {1U, 2U, 3U, 7U, 40U})
    for (const double overlap : {0.5, 0.01, 1e-4, 1e-6}) {
      Problem problem;
      for (std::uint32_t c = 0; c < features; ++c) {
        const double n = std::floor(1e6 * (0.1 + uniform()));
        problem.add({c}, n, std::floor(n * uniform()));
      }
      for (std::uint32_t c = 0; c + 1 < features; ++c) {
        const double n = std::ceil(1e6 * overlap);
        problem.add({c, c + 1}, n, std::floor(n * uniform()));
      }
      INFO(features << " features, overlap " << overlap);
      const LogisticCoefficients fit = fit_ridge_logistic(problem.rows(), features, 1);
      // Counts are sums of 1e6: 1e-6 of one trial is a coefficient's 1e-6 where the ridge alone holds it.
      CHECK(largest_gradient(problem, features, 1, fit) < 1e-6);
    }
}

TEST_CASE("logistic: trials that all succeed, or none, and counts of thousand millions", "[attribution]") {
  Problem problem;
  problem.add({0}, 1e9, 1e9);
  problem.add({1}, 1e9, 0);
  problem.add({}, 1e6, 3e5);
  problem.add({2}, 0, 0);
  const LogisticCoefficients fit = fit_ridge_logistic(problem.rows(), 3, 1);
  CHECK(fit.intercept == Approx(std::log(0.3 / 0.7)).epsilon(1e-3));
  // The ridge holds them: β = 1e9 · e^−m, m = β + intercept; by symmetry about the same with the other sign.
  CHECK(fit.features[0] == Approx(1e9 * std::exp(-fit.features[0] - fit.intercept)).epsilon(1e-3));
  CHECK(-fit.features[1] == Approx(1e9 * std::exp(fit.features[1] + fit.intercept)).epsilon(1e-3));
  CHECK(fit.features[2] == 0);
  const LogisticCoefficients none = fit_ridge_logistic({}, 2, 1);
  CHECK(none.intercept == 0);
  CHECK(none.features == std::vector<double>{0, 0});
}

TEST_CASE("logistic: a feature of every row says nothing", "[attribution]") {
  Problem problem;
  problem.add({0, 1}, 100, 30);
  problem.add({0}, 100, 20);
  problem.add({1}, 0, 0);  // no trials: as if it were not there
  const LogisticCoefficients fit = fit_ridge_logistic(problem.rows(), 2, 0.001);
  CHECK(fit.features[0] == 0);
  CHECK(fit.intercept == Approx(std::log(0.2 / 0.8)).epsilon(1e-3));
  CHECK(fit.features[1] == Approx(std::log(0.3 / 0.7) - std::log(0.2 / 0.8)).epsilon(1e-3));
}

TEST_CASE("logistic: channels of a log with few journeys of both, by hand", "[attribution]") {
  // x 5 % of 1 M, y 10 % of 1 M, both 14 % of 10,000. Three patterns, three coefficients: β_x = logit .14 − logit .1 =
  // 0.3819, β_y = logit .14 − logit .05 = 1.1292, intercept = logit .05 − β_x = −3.3263, whose rate is 3.467 %. Values:
  // x (1 M · (5 − 3.467) % + 10,000 · (14 − 10) %) / 1.01 M = 1.557 %, y (1 M · (10 − 3.467) % + 10,000 · (14 − 5) %)
  // / 1.01 M = 6.558 %.
  CoalitionTable table(2);
  table.add(std::vector<std::uint32_t>{0}, {1'000'000, 50'000});
  table.add(std::vector<std::uint32_t>{1}, {1'000'000, 100'000});
  table.add(std::vector<std::uint32_t>{0, 1}, {10'000, 1'400});
  const std::vector<double> values = BaggedLogistic(table).marginal_effects();
  CHECK(values[0] == Approx(0.01557).margin(0.001));  // 32 random halves, and the ridge
  CHECK(values[1] == Approx(0.06558).margin(0.001));
}

TEST_CASE("logistic: of journeys that all touch the same channels nothing is learned", "[attribution]") {
  const test::AttributionFolder folder;
  std::string clicks = "time,user,advertiser,channel\n";
  for (int user = 0; user < 7; ++user)
    for (const char channel : {'a', 'b', 'c', 'd', 'e', 'f'})
      clicks += fmt::format("{},u{},x,{}\n", static_cast<int>(channel), user, channel);
  for (const int seed : {1, 2, 3}) {
    AttributeOptions o = folder.options(clicks, "time,user,advertiser\n200,u1,x\n200,u2,x\n200,u3,x\n");
    o.seed = static_cast<std::uint64_t>(seed);
    o.mechanisms = {"linear", "shapley", "logistic"};
    const AttributeReport report = attribute(o);
    for (const std::string& row : test::attribution_lines(folder.path("out/train.csv")))
      if (row.ends_with(",6") || row.ends_with(",0"))
        CHECK((row.ends_with(",0.16666667,0.16666667,0.16666667,6") || row.ends_with(",0,0,0,0")));
    CHECK_THAT(summary(report),
               Contains("every journey touches the same 6 channels, so shapley and logistic equal linear"));
    for (const ChannelReport& channel : report.channels) CHECK(channel.values[1] == 0);
  }
}

TEST_CASE("logistic: a channel of every journey has no value of its own", "[attribution]") {
  // x is in all journeys, y in half of them and helps.
  CoalitionTable table(2);
  table.add(std::vector<std::uint32_t>{0}, {1000, 300});
  table.add(std::vector<std::uint32_t>{0, 1}, {1000, 500});
  for (const std::uint64_t seed : {1U, 2U, 3U}) {
    const std::vector<double> values = BaggedLogistic(table, {.seed = seed}).marginal_effects();
    CHECK(values[0] == 0);
    CHECK(values[1] == Approx(0.2).margin(0.02));
  }
}

}  // namespace
}  // namespace mal

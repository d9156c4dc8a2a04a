// Metrics over days, with users drawn once for all of them, against the slow obvious way.
#include "train/days/day_scores.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "engine/random.h"
#include "train/days/resample_ratio.h"

namespace mal {

namespace {

constexpr std::int64_t kDraws = 40;

struct DayOfWorld {
  DayTest test;
  std::vector<float> logits;
};

// Users come on some days and stay away on others; credits are 0, 1 or between; few distinct logits, so that some tie.
DayOfWorld make_day(std::size_t rows, std::uint64_t users, std::uint64_t seed, bool weighted) {
  const Random random(seed, "days");
  DayOfWorld day;
  for (std::size_t i = 0; i < rows; ++i) {
    const double kind = random.uniform(5 * i);
    day.logits.push_back(static_cast<float>(random.below(5 * i + 1, 30)) / 7 - 2);
    day.test.credits.push_back(kind < 0.6 ? 0.0F : kind < 0.8 ? 1.0F : static_cast<float>(random.uniform(5 * i + 2)));
    day.test.users.push_back(static_cast<std::int64_t>(random.below(5 * i + 3, users)) * 7 - 3);
    if (weighted) day.test.weights.push_back(static_cast<float>(random.below(5 * i + 4, 3)));
  }
  return day;
}

std::vector<DayTest> tests_of(const std::vector<DayOfWorld>& world) {
  std::vector<DayTest> tests;
  for (const DayOfWorld& day : world) tests.push_back(day.test);
  return tests;
}

// The rows of one day in one draw: those of a user as often as he was drawn, each time another user.
Scored drawn_day(const DayOfWorld& day, const std::map<std::int64_t, int>& times) {
  Scored scored;
  for (const auto& [user, count] : times)
    for (int copy = 0; copy < count; ++copy)
      for (std::size_t row = 0; row < day.logits.size(); ++row) {
        if (day.test.users[row] != user) continue;
        scored.logits.push_back(day.logits[row]);
        scored.credits.push_back(day.test.credits[row]);
        scored.groups.push_back(user * 1000 + copy);
        if (!day.test.weights.empty()) scored.weights.push_back(day.test.weights[row]);
      }
  return scored;
}

// How often each user is in a draw: of all days' users in the order of their first row, the one draw of UserResamples.
std::map<std::int64_t, int> draw_of(const std::vector<DayOfWorld>& world, std::size_t draw, std::uint64_t seed) {
  std::vector<std::int64_t> rows, users;
  for (const DayOfWorld& day : world) rows.insert(rows.end(), day.test.users.begin(), day.test.users.end());
  const UserResamples resamples(rows, kDraws, seed);
  for (const std::int64_t user : rows)
    if (std::ranges::find(users, user) == users.end()) users.push_back(user);
  std::map<std::int64_t, int> times;
  for (std::size_t u = 0; u < users.size(); ++u)
    times[users[u]] = resamples.counts(draw / UserResamples::kLanes, u)[draw % UserResamples::kLanes];
  return times;
}

void check_same(double ours, const std::optional<double>& obvious) {
  if (obvious)
    CHECK(ours == Approx(*obvious).epsilon(1e-12));
  else
    CHECK(std::isnan(ours));
}

std::array<std::optional<double>, 4> values_of(const Metrics& metrics) {
  return {metrics.gauc, metrics.auc, metrics.logloss, metrics.pcoc};
}

}  // namespace

TEST_CASE("a draw has a user's rows of every day, and the mean over days is that of the days' metrics") {
  for (const bool weighted : {false, true}) {
    // The last day has users enough for hardly any draw to have both classes of one.
    const std::vector<DayOfWorld> world = {make_day(150, 14, 1, weighted), make_day(90, 20, 2, weighted),
                                           make_day(9, 9, 3, weighted)};
    const std::vector<DayTest> tests = tests_of(world);
    const DayEvaluator evaluator(tests, kDraws, 5);
    std::vector<DayScores> days;
    for (std::size_t d = 0; d < world.size(); ++d) days.push_back(evaluator.scores(d, world[d].logits));
    const DayScores mean = mean_over_days(days);
    for (std::size_t r = 0; r < kDraws; ++r) {
      const std::map<std::int64_t, int> times = draw_of(world, r, 5);
      std::array<double, 4> sums{};
      std::array<int, 4> counts{};
      for (std::size_t d = 0; d < world.size(); ++d) {
        const auto values = values_of(evaluate(drawn_day(world[d], times)));
        for (std::size_t m = 0; m < values.size(); ++m) {
          check_same(days[d][m].draws[r], values[m]);
          if (values[m]) sums[m] += *values[m], ++counts[m];
        }
      }
      for (std::size_t m = 0; m < sums.size(); ++m)
        check_same(mean[m].draws[r], counts[m] > 0 ? std::optional(sums[m] / counts[m]) : std::nullopt);
    }
  }
}

TEST_CASE("days that repeat the first one tell no more than it") {
  const DayOfWorld day = make_day(400, 60, 7, false);
  const std::vector<DayTest> once = {day.test}, often = {day.test, day.test, day.test, day.test};
  const DayEvaluator one(once, 300, 1), four(often, 300, 1);
  std::vector<DayScores> days;
  for (std::size_t d = 0; d < often.size(); ++d) days.push_back(four.scores(d, day.logits));
  const DayScores alone = one.scores(0, day.logits), mean = mean_over_days(days);
  for (std::size_t m = 0; m < alone.size(); ++m) {
    CHECK(mean[m].value == Approx(alone[m].value).epsilon(1e-12));
    // Drawn for each day anew, the interval would be half as wide.
    CHECK(mean[m].interval().low == Approx(alone[m].interval().low).epsilon(1e-12));
    CHECK(mean[m].interval().high == Approx(alone[m].interval().high).epsilon(1e-12));
  }
}

TEST_CASE("a difference is in hundredths, draw by draw; a model differs from itself by nothing") {
  const DayOfWorld day = make_day(300, 40, 9, false);
  const std::vector<DayTest> tests = {day.test};
  const DayEvaluator evaluator(tests, 200, 1);
  std::vector<float> shifted = day.logits;
  for (float& logit : shifted) logit += 1;
  const DayScores base = evaluator.scores(0, day.logits), same = difference_of(base, base),
                  higher = difference_of(evaluator.scores(0, shifted), base);
  for (std::size_t m = 0; m < same.size(); ++m) {
    CHECK(same[m].value == 0);
    CHECK(same[m].interval().low == 0);
    CHECK(same[m].interval().high == 0);
  }
  // The order of the rows is the same, what they predict is not.
  CHECK(higher[kGauc].value == 0);
  CHECK(higher[kPcoc].value > 10);
  CHECK(higher[kPcoc].interval().low > 0);
  for (std::size_t r = 0; r < 200; ++r)
    CHECK(higher[kPcoc].draws[r] ==
          Approx(100 * (evaluator.scores(0, shifted)[kPcoc].draws[r] - base[kPcoc].draws[r])));
}

TEST_CASE("a day without positives does not count, and days without any have no mean") {
  std::vector<DayOfWorld> world = {make_day(200, 20, 3, false), make_day(100, 20, 4, false)};
  for (float& credit : world[1].test.credits) credit = 0;
  const std::vector<DayTest> tests = tests_of(world);
  const DayEvaluator evaluator(tests, 100, 1);
  const std::vector<DayScores> days = {evaluator.scores(0, world[0].logits), evaluator.scores(1, world[1].logits)};
  CHECK(std::isnan(days[1][kAuc].value));
  CHECK(mean_over_days(days)[kAuc].value == days[0][kAuc].value);
  CHECK(mean_over_days(days)[kLogLoss].value == Approx((days[0][kLogLoss].value + days[1][kLogLoss].value) / 2));
  CHECK(std::isnan(mean_over_days(std::vector{days[1]})[kPcoc].value));
}

}  // namespace mal

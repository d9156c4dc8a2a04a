// The bootstrap against the slow obvious way: build each resampled test set row by row and evaluate it.
#include "train/experiment/bootstrap.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <numeric>

#include "engine/random.h"
#include "train/experiment/statistics.h"
#include "train/metrics/metrics.h"

namespace mal {

namespace {

struct World {
  std::vector<float> logits, credits;
  std::vector<std::int64_t> groups;
};

// Few distinct logits, so that many are tied; credits 0, 1 or between.
World make_world(std::size_t rows, std::uint64_t users, std::uint64_t seed) {
  const Random random(seed, "world");
  World world;
  for (std::size_t i = 0; i < rows; ++i) {
    const double kind = random.uniform(4 * i);
    world.logits.push_back(static_cast<float>(random.below(4 * i + 1, 30)) / 7 - 2);
    world.credits.push_back(kind < 0.7 ? 0.0F : kind < 0.85 ? 1.0F : static_cast<float>(random.uniform(4 * i + 2)));
    world.groups.push_back(static_cast<std::int64_t>(random.below(4 * i + 3, users)) * 1000 - 5);
  }
  return world;
}

// Users in the order of their first row, as UserResamples numbers them.
std::vector<std::int64_t> users_of(const World& world) {
  std::vector<std::int64_t> users;
  for (const std::int64_t group : world.groups)
    if (std::ranges::find(users, group) == users.end()) users.push_back(group);
  return users;
}

// The test set of one resample, a user drawn twice being two users.
Scored drawn(const World& world, const UserResamples& resamples, std::size_t resample) {
  const std::vector<std::int64_t> users = users_of(world);
  Scored scored;
  std::int64_t copy = 0;
  for (std::size_t u = 0; u < users.size(); ++u) {
    const int times = resamples.counts(resample / UserResamples::kLanes, u)[resample % UserResamples::kLanes];
    for (int t = 0; t < times; ++t, ++copy)
      for (std::size_t row = 0; row < world.logits.size(); ++row) {
        if (world.groups[row] != users[u]) continue;
        scored.logits.push_back(world.logits[row]);
        scored.credits.push_back(world.credits[row]);
        scored.groups.push_back(copy);
      }
  }
  return scored;
}

void check_same(double ours, const std::optional<double>& obvious) {
  if (obvious)
    CHECK(ours == Approx(*obvious).epsilon(1e-12));
  else
    CHECK(std::isnan(ours));
}

}  // namespace

TEST_CASE("resampled metrics of weighted rows are those of rows that are there so many times") {
  const World world = make_world(300, 25, 11);
  World repeated;
  std::vector<float> weights;
  for (std::size_t i = 0; i < world.logits.size(); ++i) {
    // The first rows stay, so that the users are numbered alike.
    const std::size_t times = i < 120 ? 1 + i % 3 : i % 4;
    weights.push_back(static_cast<float>(times));
    for (std::size_t t = 0; t < times; ++t) {
      repeated.logits.push_back(world.logits[i]);
      repeated.credits.push_back(world.credits[i]);
      repeated.groups.push_back(world.groups[i]);
    }
  }
  const UserResamples one(world.groups, 40, 3), many(repeated.groups, 40, 3);
  REQUIRE(users_of(world) == users_of(repeated));
  const ResampledMetrics weighted = resample_metrics(world.logits, world.credits, one.user_of_row(), one, {weights});
  const ResampledMetrics obvious = resample_metrics(repeated.logits, repeated.credits, many.user_of_row(), many);
  for (std::size_t r = 0; r < 40; ++r) {
    CHECK(weighted.auc[r] == Approx(obvious.auc[r]).epsilon(1e-12));
    CHECK(weighted.gauc[r] == Approx(obvious.gauc[r]).epsilon(1e-12));
  }
  CHECK(weighted.auc[0] != Approx(resample_metrics(world.logits, world.credits, one.user_of_row(), one).auc[0]));
}

TEST_CASE("resampled metrics are those of the test set that was drawn") {
  // 1 and 3 users: draws without a class or without a user of both; 37 and 40: not a whole number of blocks.
  for (const auto& [rows, users, draws] :
       {std::tuple{400, 37, 40}, std::tuple{60, 25, 100}, std::tuple{12, 3, 33}, std::tuple{9, 1, 5}}) {
    const World world = make_world(static_cast<std::size_t>(rows), static_cast<std::uint64_t>(users), 7);
    const UserResamples resamples(world.groups, draws, 3);
    const ResampledMetrics ours = resample_metrics(world.logits, world.credits, resamples.user_of_row(), resamples);
    REQUIRE(ours.gauc.size() == static_cast<std::size_t>(draws));
    for (std::size_t r = 0; r < ours.gauc.size(); ++r) {
      const Metrics obvious = evaluate(drawn(world, resamples, r));
      check_same(ours.gauc[r], obvious.gauc);
      check_same(ours.auc[r], obvious.auc);
    }
  }
}

TEST_CASE("resampled metrics of some rows use the same draws") {
  const World world = make_world(500, 40, 11);
  const UserResamples resamples(world.groups, 48, 3);
  World part;
  std::vector<std::uint32_t> users;
  for (std::size_t row = 0; row < world.logits.size(); row += 3) {
    part.logits.push_back(world.logits[row]);
    part.credits.push_back(world.credits[row]);
    users.push_back(resamples.user_of_row()[row]);
  }
  const ResampledMetrics ours = resample_metrics(part.logits, part.credits, users, resamples);
  for (std::size_t r = 0; r < ours.auc.size(); ++r) {
    Scored kept;
    std::int64_t copy = 0;
    for (std::size_t u = 0; u < resamples.users(); ++u)
      for (int t = resamples.counts(r / UserResamples::kLanes, u)[r % UserResamples::kLanes]; t > 0; --t, ++copy)
        for (std::size_t i = 0; i < users.size(); ++i) {
          if (users[i] != u) continue;
          kept.logits.push_back(part.logits[i]);
          kept.credits.push_back(part.credits[i]);
          kept.groups.push_back(copy);
        }
    const Metrics obvious = evaluate(kept);
    check_same(ours.gauc[r], obvious.gauc);
    check_same(ours.auc[r], obvious.auc);
  }
}

TEST_CASE("each resample draws as many users as there are, and each user about once") {
  const World world = make_world(3000, 500, 5);
  const UserResamples resamples(world.groups, 200, 9);
  std::vector<double> per_user(resamples.users());
  for (std::size_t r = 0; r < 200; ++r) {
    std::size_t total = 0;
    for (std::size_t u = 0; u < resamples.users(); ++u) {
      const int times = resamples.counts(r / UserResamples::kLanes, u)[r % UserResamples::kLanes];
      total += static_cast<std::size_t>(times);
      per_user[u] += times;
    }
    CHECK(total == resamples.users());
  }
  // 200 draws of Poisson(1): mean 200, deviation 14; 5 deviations away is beyond chance for 500 users.
  for (const double times : per_user) CHECK(std::abs(times - 200) < 71);
  // Another seed, other draws; the same seed, the same.
  const UserResamples again(world.groups, 200, 9), other(world.groups, 200, 10);
  const std::size_t bytes = UserResamples::kLanes * resamples.users();
  CHECK(std::equal(resamples.counts(0, 0), resamples.counts(0, 0) + bytes, again.counts(0, 0)));
  CHECK_FALSE(std::equal(resamples.counts(0, 0), resamples.counts(0, 0) + bytes, other.counts(0, 0)));
}

TEST_CASE("the interval covers the truth about as often as it says") {
  // Test sets from one world whose AUC difference of two scores is known from a very large one.
  const auto sample = [](std::uint64_t seed, std::size_t users) {
    const Random random(seed, "coverage");
    World world;
    std::vector<float> other;
    std::uint64_t i = 0;
    for (std::size_t u = 0; u < users; ++u)
      for (int k = 0; k < 6; ++k, i += 4) {
        const bool positive = random.uniform(i) < 0.3;
        world.credits.push_back(positive ? 1.0F : 0.0F);
        world.logits.push_back(static_cast<float>(random.normal(i + 1) + (positive ? 0.9 : 0)));
        other.push_back(static_cast<float>(random.normal(i + 2) + (positive ? 0.7 : 0)));
        world.groups.push_back(static_cast<std::int64_t>(u));
      }
    return std::pair{world, other};
  };
  const auto auc_of = [](const std::vector<float>& logits, const World& world) {
    return *evaluate({logits, world.credits, world.groups, {}}).auc;
  };
  const auto [large, large_other] = sample(1, 60'000);
  const double truth = auc_of(large.logits, large) - auc_of(large_other, large);
  int covered = 0;
  constexpr int kSets = 120;
  for (int set = 0; set < kSets; ++set) {
    const auto [world, other] = sample(100 + static_cast<std::uint64_t>(set), 80);
    const UserResamples resamples(world.groups, 400, 1);
    const auto a = resample_metrics(world.logits, world.credits, resamples.user_of_row(), resamples).auc;
    const auto b = resample_metrics(other, world.credits, resamples.user_of_row(), resamples).auc;
    std::vector<double> difference(a.size());
    std::ranges::transform(a, b, difference.begin(), std::minus());
    const Interval interval = interval_of(difference);
    covered += interval.low <= truth && truth <= interval.high ? 1 : 0;
  }
  // 95 % of 120 is 114; fewer than 104 (4 deviations) or all 120 of a far too wide one would be wrong.
  CHECK(covered >= 104);
  CHECK(covered < 120);
}

TEST_CASE("statistics by hand") {
  const std::vector<double> values = {3, 1, 4, 1, 5};
  CHECK(mean_of(values) == Approx(2.8));
  CHECK(deviation_of(values) == Approx(std::sqrt(12.8 / 4)));
  CHECK(std::isnan(deviation_of(std::vector<double>{2})));
  CHECK(std::isnan(mean_of({})));
  CHECK(quantile_of(values, 0) == 1);
  CHECK(quantile_of(values, 0.5) == 3);
  CHECK(quantile_of(values, 0.875) == Approx(4.5));  // halfway from 4 to 5
  CHECK(quantile_of({NAN, 7, NAN}, 0.3) == 7);
  CHECK(std::isnan(quantile_of({NAN}, 0.5)));
  const std::vector<double> x = {1, 2, 3, 4}, rising = {1, 8, 27, 64}, ties = {2, 2, 1, 0};
  CHECK(pearson(x, x) == Approx(1));
  CHECK(pearson(x, rising) == Approx(0.951369855792).epsilon(1e-9));
  CHECK(spearman(x, rising) == Approx(1));
  CHECK(spearman(x, ties) == Approx(-0.948683298051).epsilon(1e-9));  // ranks 3.5 3.5 2 1
  CHECK(std::isnan(pearson(x, std::vector<double>(4, 1.0))));
}

TEST_CASE("Student's quantiles") {
  // Of 1 and 2 degrees of freedom by their closed forms; the others as tables print them.
  CHECK(student_quantile(0.975, 1) == Approx(std::tan(M_PI * 0.475)).epsilon(1e-9));
  CHECK(student_quantile(0.8, 2) == Approx(0.6 * std::sqrt(2 / (4 * 0.8 * 0.2))).epsilon(1e-9));
  CHECK(student_quantile(0.975, 2) == Approx(4.302653).epsilon(1e-6));
  CHECK(student_quantile(0.975, 4) == Approx(2.776445).epsilon(1e-6));
  CHECK(student_quantile(0.8, 3) == Approx(0.978472).epsilon(1e-6));
  CHECK(student_quantile(0.975, 120) == Approx(1.979930).epsilon(1e-6));
  CHECK(student_quantile(0.025, 10) == Approx(-2.228139).epsilon(1e-6));
  CHECK(student_quantile(0.975, INFINITY) == Approx(1.959964).epsilon(1e-6));
  CHECK(student_quantile(0.975, 999.9) == Approx(student_quantile(0.975, 1000.1)).epsilon(1e-6));
}

}  // namespace mal

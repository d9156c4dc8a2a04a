// What a table says that it could have seen: by hand, and by simulation of test sets whose difference is known.
#include "train/experiment/power.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "engine/random.h"
#include "train/metrics/metrics.h"

namespace mal {

namespace {

constexpr std::size_t kUsers = 80;
constexpr int kRowsOfUser = 6;
constexpr double kBaseSeparation = 0.7;

// With scores N(s, 1) of positives and N(0, 1) of negatives, AUC is Φ(s / √2); so is that of each user.
double auc_of_separation(double separation) {
  return 0.5 * std::erfc(-separation / 2);
}

// Base and a model whose scores part the classes by `separation`, on users of one world.
Difference simulated(std::uint64_t seed, double separation, bool gauc) {
  const Random random(seed, "power");
  std::vector<float> base, model, credits;
  std::vector<std::int64_t> users;
  std::uint64_t i = 0;
  for (std::size_t u = 0; u < kUsers; ++u)
    for (int k = 0; k < kRowsOfUser; ++k, i += 4) {
      const bool positive = random.uniform(i) < 0.3;
      const double shared = random.normal(i + 1);  // so that the two are paired, as models of one test set are
      base.push_back(static_cast<float>(0.8 * shared + 0.6 * random.normal(i + 2) + (positive ? kBaseSeparation : 0)));
      model.push_back(static_cast<float>(0.8 * shared + 0.6 * random.normal(i + 3) + (positive ? separation : 0)));
      credits.push_back(positive ? 1.0F : 0.0F);
      users.push_back(static_cast<std::int64_t>(u));
    }
  const UserResamples resamples(users, 400, 1);
  const auto result = [&](const std::vector<float>& logits) {
    const Metrics metrics = evaluate({logits, credits, users, {}});
    RunResult run;
    run.gauc = *metrics.gauc;
    run.auc = *metrics.auc;
    run.resampled = resample_metrics(logits, credits, resamples.user_of_row(), resamples);
    return ModelResult{{run}};
  };
  return gauc ? gauc_difference(result(model), result(base)) : auc_difference(result(model), result(base));
}

struct TestSets {
  double seen = 0;        // share of the test sets whose interval leaves out 0, above it
  double detectable = 0;  // mean
  double error = 0;       // deviation of the differences themselves, which se estimates
};

TestSets seen_in(double separation, bool gauc) {
  constexpr int kSets = 200;
  TestSets result;
  std::vector<double> differences;
  for (int set = 0; set < kSets; ++set) {
    const Difference difference = simulated(1000 + static_cast<std::uint64_t>(set), separation, gauc);
    result.seen += difference.interval.low > 0 ? 1.0 / kSets : 0;
    result.detectable += difference.detectable / kSets;
    differences.push_back(difference.mean);
  }
  result.error = deviation_of(differences);
  return result;
}

// The separation whose true difference from Base is that many hundredths.
double separation_of(double difference) {
  double low = kBaseSeparation, high = 4;
  const double wanted = auc_of_separation(kBaseSeparation) + difference / 100;
  for (int step = 0; step < 60; ++step) (auc_of_separation((low + high) / 2) < wanted ? low : high) = (low + high) / 2;
  return low;
}

Difference with_error(double mean, double error) {
  Difference difference;
  difference.mean = mean;
  difference.error = error;
  difference.detectable = 2.8 * error;
  return difference;
}

}  // namespace

TEST_CASE("a true difference of the size that 80 % power asks for is seen in four of five test sets") {
  for (const bool gauc : {false, true}) {
    INFO((gauc ? "GAUC" : "AUC"));
    const double detectable = seen_in(kBaseSeparation, gauc).detectable;
    // The first guess is of a world without a difference; the error hardly depends on it.
    const TestSets at = seen_in(separation_of(detectable), gauc);
    CHECK(at.detectable == Approx(2.8 * at.error).epsilon(0.12));  // the error of 200 sets is known to 5 %
    CHECK(at.seen > 0.71);                                         // 0.8 ± 3 deviations of 0.028
    CHECK(at.seen < 0.89);
    CHECK(seen_in(separation_of(detectable / 2), gauc).seen < 0.4);     // Φ(1.40 − 1.96) = 0.29
    CHECK(seen_in(separation_of(detectable * 1.5), gauc).seen > 0.95);  // Φ(4.20 − 1.96) = 0.99
  }
}

TEST_CASE("published gains are compared in hundredths of our own Base") {
  CHECK(published_gain(0.51, 0.7368) == Approx(0.375768));
  Power power("GAUC");
  power.add("MAL", with_error(0, 0.1), 0.7368, 0.51);     // +0.376 of 0.28: seen
  power.add("PLE", with_error(0, 0.15), 0.7368, 0.51);    // of 0.42: not seen
  power.add("worse", with_error(0, 0.1), 0.7368, -0.30);  // −0.221: not seen, whichever its sign
  power.add("none", with_error(0, 0.1), 0.7368, std::nullopt);
  power.add("zero", with_error(0, 0.1), 0.7368, 0.0);
  CHECK(power.range() == "GAUC 0.28 to 0.42");
  CHECK_THAT(power.warning(), Catch::Matchers::EndsWith("seen from: PLE +0.38 < 0.42; worse -0.22 < 0.28."));
  CHECK_THAT(power_note({power}), Catch::Matchers::Contains("80 % power: GAUC 0.28 to 0.42 (2.80 standard errors"));

  Power empty("AUC");
  CHECK(empty.range().empty());
  CHECK(empty.warning().empty());
  CHECK(power_note({empty}).empty());
  empty.add("no users", with_error(NAN, NAN), NAN, 1.23);
  CHECK(empty.range().empty());
  CHECK_THAT(empty.warning(), Catch::Matchers::EndsWith("no users: no difference is defined."));
}

}  // namespace mal

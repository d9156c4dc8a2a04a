// Metrics against scikit-learn (tests/oracle/metrics_golden.py), against slow obvious versions, and where they are
// undefined.
#include "train/metrics/metrics.h"

#include <catch2/catch.hpp>
#include <charconv>
#include <cmath>
#include <ctime>
#include <fstream>
#include <limits>
#include <map>
#include <string>

#include "engine/error.h"
#include "engine/random.h"
#include "train/metrics/auc.h"
#include "train/metrics/rate_table.h"
#include "train/metrics/sample.h"

namespace mal {

namespace {

// Lines of a golden file after its header, split at commas.
std::vector<std::vector<std::string>> golden_lines(const std::string& name) {
  std::ifstream file(std::string(MAL_TEST_DATA) + "/metrics/" + name);
  REQUIRE(file);
  std::vector<std::vector<std::string>> lines;
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    auto& fields = lines.emplace_back();
    for (std::size_t begin = 0; begin <= line.size();) {
      const std::size_t end = std::min(line.find(',', begin), line.size());
      fields.push_back(line.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  return lines;
}

std::map<std::string, Scored> golden_rows() {
  std::map<std::string, Scored> cases;
  for (const auto& line : golden_lines("rows.csv")) {
    Scored& scored = cases[line.at(0)];
    scored.logits.push_back(std::stof(line.at(1)));
    scored.credits.push_back(std::stof(line.at(2)));
    scored.groups.push_back(std::stoll(line.at(3)));
    if (line.size() > 4) scored.weights.push_back(std::stof(line.at(4)));
  }
  return cases;
}

double named_metric(const Metrics& metrics, const std::string& name) {
  const std::map<std::string, double> values = {{"rows", metrics.rows},
                                                {"positives", metrics.positives},
                                                {"auc", metrics.auc.value()},
                                                {"gauc", metrics.gauc.value()},
                                                {"gauc_mean", metrics.gauc_mean.value()},
                                                {"gauc_positive", metrics.gauc_positive.value()},
                                                {"users", metrics.users},
                                                {"all_users", metrics.all_users},
                                                {"logloss", metrics.logloss.value()},
                                                {"pcoc", metrics.pcoc.value()},
                                                {"pcoc_credit", metrics.pcoc_credit.value()},
                                                {"ece", metrics.ece.value()},
                                                {"bins", metrics.reliability.size()}};
  if (const auto found = values.find(name); found != values.end()) return found->second;
  const std::size_t underscore = name.find('_');
  const ReliabilityBin& bin = metrics.reliability.at(std::stoul(name.substr(3, underscore - 3)));
  const std::string column = name.substr(underscore + 1);
  if (column == "rows") return static_cast<double>(bin.rows);
  return column == "predicted" ? bin.predicted : bin.observed;
}

Scored random_scored(std::size_t rows, std::uint64_t seed, std::uint64_t users) {
  const Random random(seed, "metrics_test");
  Scored scored;
  for (std::size_t i = 0; i < rows; ++i) {
    const auto logit = static_cast<float>(random.normal(3 * i) - 1);
    const bool positive = random.uniform(3 * i + 1) < sigmoid(static_cast<double>(logit));
    scored.logits.push_back(logit);
    scored.credits.push_back(positive ? static_cast<float>(1 + random.below(3 * i + 2, 4)) / 4 : 0.0F);
    scored.groups.push_back(static_cast<std::int64_t>(random.below(3 * i + 2, users)));
  }
  return scored;
}

double slow_auc(const Scored& scored) {
  double won = 0, pairs = 0;
  for (std::size_t i = 0; i < scored.logits.size(); ++i)
    for (std::size_t j = 0; j < scored.logits.size(); ++j) {
      if (!is_positive(scored.credits[i]) || is_positive(scored.credits[j])) continue;
      const double w = sample_weight(scored.credits[i]);
      pairs += w;
      if (scored.logits[i] > scored.logits[j]) won += w;
      if (scored.logits[i] == scored.logits[j]) won += w / 2;
    }
  return won / pairs;
}

std::string metrics_error(const Scored& scored) {
  try {
    evaluate(scored);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("metrics of weighted rows, by hand") {
  // A row of weight 3 is three rows; one of weight 0 is none, also of a user's classes and of a slice.
  const Scored weighted{{2, 1, 0, 1, -1}, {1, 0, 0.5F, 0, 1}, {7, 7, 7, 8, 8}, {}, {1, 3, 2, 1, 0}};
  const Scored repeated{{2, 1, 1, 1, 0, 0, 1}, {1, 0, 0, 0, 0.5F, 0.5F, 0}, {7, 7, 7, 7, 7, 7, 8}, {}, {}};
  const Metrics a = evaluate(weighted), b = evaluate(repeated);
  for (const auto metric : {&Metrics::auc, &Metrics::gauc, &Metrics::gauc_mean, &Metrics::gauc_positive,
                            &Metrics::logloss, &Metrics::pcoc, &Metrics::pcoc_credit, &Metrics::ece})
    CHECK((a.*metric).value() == Approx((b.*metric).value()).epsilon(1e-14));
  CHECK(a.users == 1);
  CHECK(a.auc.value() == Approx(0.5));  // the positives of 1 and 2 · 0.5 win and lose against the four of weight 4
  CHECK(a.weight.value() == 7);
  CHECK_FALSE(b.weight);
  Scored none = weighted;
  none.weights.assign(5, 0.0F);
  const Metrics nothing = evaluate(none);
  CHECK_FALSE((nothing.auc || nothing.gauc || nothing.logloss || nothing.pcoc || nothing.ece));
  CHECK(nothing.reliability.empty());
  none.weights = {1, 1, -1, 1, 1};
  CHECK(metrics_error(none).find("the weight of row 2 is -1") != std::string::npos);
  none.weights = {1};
  CHECK(metrics_error(none).find("1 weights do not belong") != std::string::npos);
  const std::vector<std::int32_t> codes = {0, 1, 0, 1, 0};
  CHECK(evaluate_slices(weighted, codes)[0].metrics.weight.value() == 3);
}

TEST_CASE("metrics agree with scikit-learn") {
  const std::map<std::string, Scored> cases = golden_rows();
  std::map<std::string, Metrics> metrics;
  for (const auto& [name, scored] : cases) metrics[name] = evaluate(scored);
  int compared = 0;
  for (const auto& line : golden_lines("expected.csv")) {
    const double expected = std::stod(line.at(2));
    const double value = named_metric(metrics.at(line.at(0)), line.at(1));
    INFO(line.at(0) << " " << line.at(1));
    // scikit-learn takes the logarithm of a rounded probability, so its LogLoss is the less exact of the two.
    const double tolerance = line.at(1) == "logloss" ? 1e-9 : 1e-12;
    CHECK(std::abs(value - expected) <= tolerance * std::max(1e-3, std::abs(expected)));
    ++compared;
  }
  CHECK(compared > 300);
}

TEST_CASE("AUC agrees with counting every pair") {
  for (const std::size_t rows : {2U, 3U, 7U, 31U, 200U})
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
      Scored scored = random_scored(rows, seed, 5);
      for (float& logit : scored.logits) logit = std::round(logit * 2) / 2;
      scored.credits[0] = 0;
      scored.credits[1] = 0.75F;
      CHECK(evaluate(scored).auc.value() == Approx(slow_auc(scored)).epsilon(1e-13));
    }
}

TEST_CASE("AUC does not see monotone changes, the order of rows, or the sign of zero") {
  Scored scored = random_scored(500, 3, 20);
  const Metrics before = evaluate(scored);
  SECTION("monotone") {
    for (float& logit : scored.logits) logit = logit * 4 + 1;
    CHECK(evaluate(scored).auc == before.auc);
    CHECK(evaluate(scored).gauc == before.gauc);
  }
  SECTION("reversed") {
    std::ranges::reverse(scored.logits);
    std::ranges::reverse(scored.credits);
    std::ranges::reverse(scored.groups);
    const Metrics after = evaluate(scored);
    CHECK(after.auc.value() == Approx(before.auc.value()).epsilon(1e-14));
    CHECK(after.gauc.value() == Approx(before.gauc.value()).epsilon(1e-14));
    CHECK(after.ece.value() == Approx(before.ece.value()).epsilon(1e-14));
    CHECK(after.reliability.size() == before.reliability.size());
  }
  SECTION("zero") {
    CHECK(evaluate({{0.0F, -0.0F}, {1, 0}, {}, {}}).auc == 0.5);
    CHECK(evaluate({{-0.0F, 0.0F}, {1, 0}, {}, {}}).auc == 0.5);
  }
}

TEST_CASE("AUC by hand") {
  // One positive of weight ½ above one of two negatives, one of weight 1 above both: (½ · 1 + 1 · 2) / (1½ · 2).
  CHECK(evaluate({{1, 3, 0, 2}, {0.5F, 1, 0, 0}, {}, {}}).auc.value() == Approx(2.5 / 3).epsilon(1e-15));
  CHECK(evaluate({{1, 0}, {1, 0}, {}, {}}).auc == 1.0);
  CHECK(evaluate({{0, 1}, {1, 0}, {}, {}}).auc == 0.0);
}

TEST_CASE("GAUC definitions by hand") {
  // User 7: AUC 1 on two rows, one positive. User 8: AUC 0 on four rows, three positive. User 9: one class, left out.
  const Scored scored{{1, 0, 0, 1, 0, 0, 5}, {1, 0, 1, 0, 1, 1, 1}, {7, 7, 8, 8, 8, 8, 9}, {}};
  const Metrics metrics = evaluate(scored);
  CHECK(metrics.gauc.value() == Approx(2.0 / 6));
  CHECK(metrics.gauc_mean.value() == Approx(0.5));
  CHECK(metrics.gauc_positive.value() == Approx(1.0 / 4));
  CHECK(metrics.users == 2);
  CHECK(metrics.all_users == 3);
}

TEST_CASE("metrics that are undefined have no value") {
  SECTION("no rows") {
    const Metrics metrics = evaluate({});
    CHECK(metrics.rows == 0);
    CHECK_FALSE(metrics.auc);
    CHECK_FALSE(metrics.gauc);
    CHECK_FALSE(metrics.logloss);
    CHECK_FALSE(metrics.pcoc);
    CHECK_FALSE(metrics.ece);
    CHECK(metrics.reliability.empty());
    CHECK(evaluate_slices({}).empty());
    CHECK(to_text(metrics).find("n/a") != std::string::npos);
  }
  SECTION("no positives") {
    const Metrics metrics = evaluate({{0, 1, 2}, {0, 0, 0}, {1, 1, 2}, {}});
    CHECK_FALSE(metrics.auc);
    CHECK_FALSE(metrics.gauc);
    CHECK_FALSE(metrics.pcoc);
    CHECK_FALSE(metrics.pcoc_credit);
    CHECK(metrics.users == 0);
    CHECK(metrics.all_users == 2);
    CHECK(metrics.logloss.value() ==
          Approx((std::log(2.0) + std::log1p(std::exp(1)) + std::log1p(std::exp(2))) / 3).epsilon(1e-14));
    CHECK(metrics.ece.value() == Approx((0.5 + sigmoid(1) + sigmoid(2)) / 3).epsilon(1e-14));
    CHECK(json_members(metrics, false).starts_with("\"auc\": null, \"gauc\": null, "));
  }
  SECTION("no negatives") {
    const Metrics metrics = evaluate({{0, 1}, {1, 0.5F}, {1, 1}, {}});
    CHECK_FALSE(metrics.auc);
    CHECK(metrics.pcoc.value() == Approx((0.5 + 0.5 * sigmoid(1)) / 1.5).epsilon(1e-14));
    CHECK(metrics.pcoc_credit.value() == Approx((0.5 + sigmoid(1)) / 1.5).epsilon(1e-14));
  }
  SECTION("no groups") {
    const Metrics metrics = evaluate({{0, 1}, {0, 1}, {}, {}});
    CHECK(metrics.auc == 1.0);
    CHECK_FALSE(metrics.gauc);
  }
  SECTION("one row") {
    CHECK(evaluate({{2}, {1}, {1}, {}}).reliability.size() == 1);
  }
  SECTION("all scores equal") {
    const Metrics metrics = evaluate({std::vector<float>(40, -1), std::vector<float>(40, 0), {}, {}});
    REQUIRE(metrics.reliability.size() == 1);
    CHECK(metrics.reliability[0].rows == 40);
  }
}

TEST_CASE("LogLoss of extreme logits is not clipped") {
  const float huge = std::numeric_limits<float>::max();
  CHECK(evaluate({{-800, 800}, {1, 0}, {}, {}}).logloss == 800.0);
  CHECK(evaluate({{800, -800}, {1, 0}, {}, {}}).logloss.value() < 1e-300);
  CHECK(std::isfinite(evaluate({{-huge, huge}, {1, 0}, {}, {}}).logloss.value()));
}

TEST_CASE("bins of equal mass") {
  Scored scored;
  for (int i = 0; i < 200; ++i) {
    scored.logits.push_back(static_cast<float>(i % 2 == 0 ? i : -i));
    scored.credits.push_back(i % 3 == 0 ? 1.0F : 0.0F);
  }
  const Metrics metrics = evaluate(scored);
  REQUIRE(metrics.reliability.size() == kCalibrationBins);
  for (const ReliabilityBin& bin : metrics.reliability) CHECK(bin.rows == 10);
  for (std::size_t b = 1; b < metrics.reliability.size(); ++b)
    CHECK(metrics.reliability[b].lowest >= metrics.reliability[b - 1].highest);
}

TEST_CASE("PCOC is 1 where the weighted loss has its minimum") {
  // A constant prediction p minimises Σ w BCE at p = Σ c / (Σ c + negatives).
  const std::vector<float> credits = {1, 0.5F, 0.25F, 0, 0, 0, 0, 0};
  const double credit = 1.75, negatives = 5;
  const auto best = static_cast<float>(std::log(credit / negatives));
  const Metrics metrics = evaluate({std::vector<float>(8, best), credits, {}, {}});
  CHECK(metrics.pcoc.value() == Approx(1).epsilon(1e-6));
  CHECK(metrics.pcoc_credit.value() == Approx(8 / (credit + negatives)).epsilon(1e-6));
  CHECK(metrics.ece.value() < 1e-6);
}

TEST_CASE("bad scores are errors that name the row") {
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  CHECK_THAT(metrics_error({{0, nan}, {0, 1}, {}, {}}), Catch::Contains("logit of row 1 is nan"));
  CHECK_THAT(metrics_error({{inf, 0}, {0, 1}, {}, {}}), Catch::Contains("logit of row 0 is inf"));
  CHECK_THAT(metrics_error({{0, -inf}, {0, 1}, {}, {}}), Catch::Contains("logit of row 1 is -inf"));
  CHECK_THAT(metrics_error({{0, 0}, {0, nan}, {}, {}}), Catch::Contains("credit of row 1 is nan"));
  CHECK_THAT(metrics_error({{0, 0}, {0, 1.5F}, {}, {}}), Catch::Contains("credit of row 1 is 1.5"));
  CHECK_THAT(metrics_error({{0, 0}, {-0.1F, 1}, {}, {}}), Catch::Contains("credit of row 0 is -0.1"));
  CHECK_THAT(metrics_error({{0, 0}, {0}, {}, {}}), Catch::Contains("2 logits, 1 credits"));
  CHECK_THAT(metrics_error({{0, 0}, {0, 1}, {3}, {}}), Catch::Contains("1 groups"));
  CHECK_THROWS_AS(evaluate_slices({{0, 0}, {0, 1}, {}, {1}}), Error);
  CHECK_THROWS_AS(evaluate_slices({{0, nan}, {0, 1}, {}, {1, 2}}), Error);
}

TEST_CASE("a slice's metrics are those of its rows alone") {
  Scored scored = random_scored(300, 9, 10);
  Scored first;
  for (std::size_t i = 0; i < scored.logits.size(); ++i) {
    scored.slice.push_back(i % 3 == 0 ? 7 : -2);
    if (i % 3 != 0) continue;
    first.logits.push_back(scored.logits[i]);
    first.credits.push_back(scored.credits[i]);
    first.groups.push_back(scored.groups[i]);
  }
  const std::vector<SliceMetrics> slices = evaluate_slices(scored);
  REQUIRE(slices.size() == 2);
  CHECK(slices[0].value == -2);
  CHECK(slices[1].value == 7);
  const Metrics alone = evaluate(first);
  CHECK(slices[1].metrics.auc == alone.auc);
  CHECK(slices[1].metrics.gauc == alone.gauc);
  CHECK(slices[1].metrics.logloss == alone.logloss);
  CHECK(slices[0].metrics.rows + slices[1].metrics.rows == 300);
  CHECK(evaluate_slices(scored, std::vector<std::int32_t>(300, 1)).front().metrics.auc == evaluate(scored).auc);
}

TEST_CASE("metrics as JSON and text") {
  const Metrics metrics = evaluate({{0, 1, -1, 2}, {0, 1, 0, 0.5F}, {1, 1, 2, 2}, {}});
  const std::string json = json_members(metrics, true);
  CHECK_THAT(json, Catch::StartsWith("\"auc\": 1, \"gauc\": 1, \"gauc_mean\": 1, \"gauc_positive\": 1, \"logloss\": "));
  CHECK_THAT(json, Catch::Contains("\"rows\": 4, \"positives\": 2, \"credit\": 1.5, \"users\": 2, \"all_users\": 2"));
  CHECK_THAT(json, Catch::Contains("\"reliability\": [{\"rows\": 1, \"positives\": 0, \"weight\": 1, \"predicted\": "));
  CHECK_THAT(json_members(metrics, false), !Catch::Contains("reliability"));
  CHECK_THAT(to_text(metrics), Catch::Contains("2 of 2 users have both classes"));
}

TEST_CASE("a million rows are scored in no more than n log n") {
  const Scored scored = random_scored(1'000'000, 1, 50'000);
  const std::clock_t start = std::clock();  // of this process: others on the machine do not count
  const Metrics metrics = evaluate(scored);
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  CHECK(metrics.auc.value() > 0.7);
  // About 0.3 s in a release build; the rest is room for debug builds and sanitizers.
  CHECK(seconds < 6.0);
}

TEST_CASE("rate table smooths towards the global rate") {
  RateTable table(10);
  for (int i = 0; i < 20; ++i) table.add(1, i < 10 ? 1.0F : 0.0F);
  for (int i = 0; i < 80; ++i) table.add(2, 0.0F);
  table.add(3, 0.5F);
  const double global = (10.5 + 0.5) / (100.5 + 1);
  CHECK(table.global_rate() == Approx(global).epsilon(1e-14));
  CHECK(sigmoid(static_cast<double>(table.predict(1))) == Approx((10 + 10 * global) / 30).epsilon(1e-6));
  CHECK(sigmoid(static_cast<double>(table.predict(2))) == Approx(10 * global / 90).epsilon(1e-6));
  CHECK(sigmoid(static_cast<double>(table.predict(3))) == Approx((0.5 + 10 * global) / 10.5).epsilon(1e-6));
  CHECK(sigmoid(static_cast<double>(table.predict(99))) == Approx(global).epsilon(1e-6));
  CHECK(table.keys() == 3);
  CHECK(std::isfinite(RateTable().predict(1)));
  RateTable positives;
  positives.add(1, 1);
  CHECK(std::isfinite(positives.predict(1)));
  CHECK_THROWS_AS(RateTable(0), Error);
}

}  // namespace mal

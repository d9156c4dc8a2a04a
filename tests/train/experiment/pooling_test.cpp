// Differences of several data sets: their mean, and an interval that covers users and data sets.
#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>

#include "engine/random.h"
#include "tests/train/dataset_support.h"
#include "train/data/prepare.h"
#include "train/experiment/studies.h"
#include "train/metrics/metrics.h"
#include "train/trainer/scores.h"

namespace mal {

namespace {

// A data set whose difference came out as `mean`; its draws are N(mean, error).
DatasetDifference on_dataset(double mean, double error, std::uint64_t seed) {
  const Random random(seed, "draws");
  DatasetDifference difference;
  difference.spread = {{mean}, mean, NAN};
  for (std::uint64_t r = 0; r < 400; ++r) difference.resampled.push_back(mean + error * random.normal(r));
  difference.interval = interval_of(difference.resampled);
  difference.error = standard_error_of(difference.resampled);
  return difference;
}

// Draws with just these values, half each: mean ± error of a population, so that all is worked out by hand.
DatasetDifference by_hand(double mean, double error) {
  DatasetDifference difference;
  difference.spread = {{mean}, mean, NAN};
  difference.resampled = {mean - error, mean + error};
  difference.interval = interval_of(difference.resampled);
  difference.error = error;
  return difference;
}

struct Coverage {
  double covered = 0, width = 0;
};

// How often the interval holds the mean over all data sets that could have been, 0, if true differences of data sets
// are N(0, between) and estimates of them are off by N(0, 1).
Coverage coverage(std::size_t datasets, double between) {
  constexpr int kStudies = 400;
  const Random random(datasets, "coverage");
  Coverage result;
  std::uint64_t i = 0;
  for (int study = 0; study < kStudies; ++study) {
    std::vector<DatasetDifference> differences;
    for (std::size_t d = 0; d < datasets; ++d, i += 2)
      differences.push_back(on_dataset(between * random.normal(i) + random.normal(i + 1), 1, i));
    const Interval interval = pooled(std::move(differences)).interval;
    result.covered += interval.low <= 0 && interval.high >= 0 ? 1.0 / kStudies : 0;
    result.width += (interval.high - interval.low) / kStudies;
  }
  return result;
}

}  // namespace

TEST_CASE("one data set is as it is; several are pooled by hand") {
  const DatasetDifference one = on_dataset(0.3, 0.1, 7);
  const Difference alone = pooled({one});
  CHECK(alone.mean == one.spread.mean);
  CHECK(alone.interval.low == one.interval.low);
  CHECK(alone.interval.high == one.interval.high);
  CHECK(alone.error == one.error);
  CHECK(alone.detectable == Approx(2.8 * one.error));
  CHECK(alone.between == 0);

  // d = 1, 2, 6 with e = 1: v = 1, s² = 7, so V = 7/3 with 2 degrees of freedom, between² = 6.
  const Difference apart = pooled({by_hand(1, 1), by_hand(2, 1), by_hand(6, 1)});
  CHECK(apart.mean == Approx(3));
  CHECK(apart.error == Approx(std::sqrt(7.0 / 3)));
  CHECK(apart.between == Approx(std::sqrt(6.0)));
  CHECK(apart.detectable == Approx((4.302653 + 1.060660) * std::sqrt(7.0 / 3)).epsilon(1e-5));
  CHECK(apart.resampled == std::vector<double>{2, 4});
  // The draws' interval is 3 ± 0.95; stretched by 4.302653 / 1.959964 · √7.
  CHECK(apart.interval.high - 3 == Approx(0.95 * 4.302653 / 1.959964 * std::sqrt(7.0)).epsilon(1e-5));
  CHECK(3 - apart.interval.low == Approx(apart.interval.high - 3));

  // d = 1, 2 with e = 1, 2: v = 2.5, s² = 0.5, V = 1.25 with (2.5 / 0.5)² = 25 degrees of freedom.
  const Difference alike = pooled({by_hand(1, 1), by_hand(2, 2)});
  CHECK(alike.error == Approx(std::sqrt(1.25)));
  CHECK(alike.between == 0);
  CHECK(alike.detectable == Approx((2.059539 + 0.856236) * std::sqrt(1.25)).epsilon(1e-5));
  CHECK(alike.interval.high - 1.5 == Approx(0.95 * 1.5 * 2.059539 / 1.959964).epsilon(1e-5));
}

TEST_CASE("data sets whose difference is not defined do not count") {
  const DatasetDifference nothing = on_dataset(NAN, 1, 3);
  const Difference two = pooled({by_hand(1, 1), by_hand(2, 2)}),
                   three = pooled({by_hand(1, 1), nothing, by_hand(2, 2)});
  CHECK(three.mean == two.mean);
  CHECK(three.interval.high == two.interval.high);
  CHECK(three.datasets.size() == 3);
  CHECK(pooled({nothing, by_hand(2, 2)}).mean == 2);
  CHECK(std::isnan(pooled({nothing, nothing}).mean));
  // No draw moves anything, as where one user is all: the data sets' spread alone is left.
  const Difference still = pooled({by_hand(1, 0), by_hand(3, 0)});
  CHECK(still.interval.high == Approx(2 + 12.706205 * 1).epsilon(1e-5));
  CHECK(pooled({by_hand(1, 0), by_hand(1, 0)}).interval.high == 1);
}

TEST_CASE("the interval of several data sets covers the mean of the worlds that they come from") {
  // Four deviations of 400 studies are 4 %. With two data sets the spread is too small to see in a third of the
  // studies.
  for (const std::size_t datasets : {3U, 5U})
    for (const double between : {0.0, 1.0, 3.0}) {
      INFO(datasets << " data sets, deviation between them " << between);
      const Coverage of = coverage(datasets, between);
      CHECK(of.covered > 0.91);
      CHECK(of.covered < 0.995);
    }
  CHECK(coverage(2, 3).covered > 0.86);
  // Five like data sets are worth having: a single one's interval is 3.92 wide.
  CHECK(coverage(5, 0).width < 2.6);
}

namespace {

constexpr const char* kPooledSchema = R"(name: pooled
columns:
  - {name: user, kind: id, side: user}
  - {name: last, kind: credit}
  - {name: linear, kind: credit}
  - {name: group, kind: group, column: user}
  - {name: industry, kind: slice}
)";

// Two data sets of unlike sizes; the second has its industries in another order, and one of its own.
struct TwoWorlds {
  TwoWorlds() {
    add("a", 24, 5, {"toys", "pet"});
    add("b", 35, 7, {"pet", "food", "toys"});
    folder.write("base.yaml", "model: {type: base}\ndata: {path: x}\noutput: y\n");
    experiment = parse_experiment(
        folder.write("experiment.yaml",
                     fmt::format("dataset: [{}, {}]\noutput: {}\n", folder / "a", folder / "b", folder / "out") +
                         R"(base: base.yaml
seeds: [1, 2]
resamples: 100
studies:
  - {id: ratios, title: Ratios, kind: positives}
  - id: systems
    title: Systems
    kind: systems
    primary: [last]
    rows: [{label: Base, set: {model.type: base}}, {label: MAL, set: {model.type: mal}}]
  - id: industries
    title: Industries
    kind: slice_growth
    primary: [last]
    slice: industry
    rows: [{label: Base, set: {model.type: base}}, {label: MAL, set: {model.type: mal}}]
  - id: users
    title: Users
    kind: user_growth
    primary: [last]
    growth: count
    edges: [0]
    rows: [{label: Base, set: {model.type: base}}, {label: MAL, set: {model.type: mal}}]
)"),
        {});
    for (const std::string& path : experiment.datasets) datasets.push_back(Dataset::open(path));
  }

  void add(const std::string& name, int rows, int every, const std::vector<std::string>& industries) {
    const std::string header = "user,last,linear,industry\n";
    std::string text = header;
    Scored& test = scored.emplace_back();
    for (int i = 0; i < rows; ++i) {
      const int positive = i % every == 0 ? 1 : 0;
      const std::string& industry = industries[static_cast<std::size_t>(i) % industries.size()];
      test.credits.push_back(static_cast<float>(positive));
      test.groups.push_back(i % 4);
      toys.resize(scored.size());
      toys.back().push_back(industry == "toys");
      text += fmt::format("{},{},{},{}\n", i % 4, positive, positive, industry);
    }
    // User 0 gains one positive under linear in the first data set, users 1 and 2 in the second.
    const std::string train = name == "a" ? "0,0,0.5,toys\n3,1,1,pet\n" : "1,0,0.5,pet\n2,0,0.5,pet\n";
    prepare({.schema = folder.write("schema.yaml", kPooledSchema),
             .train = {folder.write("train.csv", header + train)},
             .test = {folder.write("test.csv", text)},
             .output = folder / name,
             .progress = false});
  }

  std::vector<float> logits(std::size_t dataset, const RunConfig& config) const {
    return logits(dataset, config.model.type == "mal" ? 5 : 2, static_cast<int>(config.seed));
  }
  std::vector<float> logits(std::size_t dataset, int goodness, int seed) const {
    std::vector<float> made;
    for (std::size_t i = 0; i < scored[dataset].credits.size(); ++i)
      made.push_back(static_cast<float>((static_cast<int>(i) * 7 + seed * 5) % 11) +
                     static_cast<float>(goodness) * scored[dataset].credits[i]);
    return made;
  }
  // Mean over seeds of 100 · (AUC of MAL − AUC of Base) of one data set, or of its toys.
  double auc_difference(std::size_t dataset, bool of_toys) const {
    double difference = 0;
    for (const int seed : {1, 2})
      for (const int goodness : {5, 2}) {
        Scored part;
        const std::vector<float> all = logits(dataset, goodness, seed);
        for (std::size_t i = 0; i < all.size(); ++i) {
          if (of_toys && !toys[dataset][i]) continue;
          part.logits.push_back(all[i]);
          part.credits.push_back(scored[dataset].credits[i]);
        }
        difference += (goodness == 5 ? 50 : -50) * *evaluate(part).auc;
      }
    return difference;
  }

  test::DataFolder folder;
  Experiment experiment;
  std::vector<Dataset> datasets;
  std::vector<Scored> scored;
  std::vector<std::vector<bool>> toys;
};

}  // namespace

TEST_CASE("tables of two data sets pool what each says") {
  const TwoWorlds worlds;
  const RunPlan plan(worlds.experiment, {"a", "b"});
  REQUIRE(plan.runs().size() == 8);
  for (const PlannedRun& run : plan.runs()) {
    std::filesystem::create_directories(run.config.output);
    save_scores(run.config.output, worlds.logits(run.dataset, run.config));
  }
  Evidence evidence(worlds.experiment, worlds.datasets, plan);
  const AllCounts counts = {count_views(worlds.datasets[0]), count_views(worlds.datasets[1])};
  const auto table_of = [&](std::size_t study) {
    return tables_of(worlds.experiment.studies[study], evidence, counts).at(0);
  };
  const double first = worlds.auc_difference(0, false), second = worlds.auc_difference(1, false);
  REQUIRE(first != Approx(second));

  const ResultTable systems = table_of(1);
  const auto& difference = systems.json["rows"][1]["auc_difference"];
  CHECK(difference["mean"].get<double>() == Approx((first + second) / 2));
  CHECK(difference["datasets"][0]["mean"].get<double>() == Approx(first));
  CHECK(difference["datasets"][1]["mean"].get<double>() == Approx(second));
  CHECK(systems.json["rows"][1]["runs"].size() == 4);
  CHECK(systems.json["test_rows"].get<int>() == 59);
  CHECK_THAT(systems.notes[0], Catch::Matchers::StartsWith("59 test rows of 2 data sets, 10 positives; 8 users"));
  const auto errors = [&](std::size_t d) { return difference["datasets"][d]["standard_error"].get<double>(); };
  const double within = (errors(0) * errors(0) + errors(1) * errors(1)) / 2;
  const double spread = (first - second) * (first - second) / 2;
  CHECK(difference["standard_error"].get<double>() == Approx(std::sqrt(std::max(within, spread) / 2)));

  const ResultTable ratios = table_of(0);  // last: 5 + 1 of a, 5 of b; linear: 5 + 2, 5 + 2; 63 rows
  CHECK(ratios.rows[0] == std::vector<std::string>{"last", "1", "10", "17.460 %", "1.000", "—"});
  CHECK(ratios.rows[1] == std::vector<std::string>{"linear", "4", "10", "22.222 %", "1.273", "—"});
  CHECK(ratios.json["rows"][1]["datasets"][1]["train_positives"].get<int>() == 2);

  const ResultTable industries = table_of(2);
  REQUIRE(industries.rows.size() == 3);
  for (const auto& row : industries.json["rows"])
    if (row["value"] == "toys")
      CHECK(row["auc_difference"]["mean"].get<double>() ==
            Approx((worlds.auc_difference(0, true) + worlds.auc_difference(1, true)) / 2));

  const ResultTable users = table_of(3);
  CHECK(users.rows[1][0] == "1 or more");
  CHECK(users.rows[1][1] == "24");  // 6 rows of user 0 of a, 9 of each of users 1 and 2 of b
}

}  // namespace mal

// Tables from runs whose scores are made by hand.
#include "train/experiment/studies.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/train/dataset_support.h"
#include "train/data/prepare.h"
#include "train/experiment/write_results.h"
#include "train/metrics/metrics.h"
#include "train/trainer/scores.h"

namespace mal {

namespace {

constexpr const char* kStudySchema = R"(name: study
columns:
  - {name: user, kind: id, side: user}
  - {name: last, kind: credit}
  - {name: linear, kind: credit}
  - {name: group, kind: group, column: user}
  - {name: industry, kind: slice}
)";

constexpr const char* kStudyFile = R"(base: base.yaml
seeds: [1, 2]
resamples: 100
studies:
  - {id: ratios, title: Ratios, kind: positives, paper: {linear: 1.42}}
  - id: systems
    title: Systems
    kind: systems
    primary: [last]
    rows:
      - {label: Base, set: {model.type: base}}
      - {label: MAL, set: {model.type: mal}, paper: {last: {gauc: 0.7859, gauc_change: 0.51, auc_change: 0.14}}}
  - id: industries
    title: Industries
    kind: slice_growth
    primary: [last]
    slice: industry
    paper: {toys: {growth: 34.26, auc_change: 900}, food: {growth: 1}}
    rows: [{label: Base, set: {model.type: base}}, {label: MAL, set: {model.type: mal}}]
)";

// 24 test rows of four users; toys: 2 positives under last, 4 under linear (with those of training); pet: 2 and 3.
struct StudyWorld {
  StudyWorld() {
    std::string rows = "user,last,linear,industry\n";
    for (int i = 0; i < 24; ++i) {
      const bool positive = i % 5 == 0;
      credits.push_back(positive ? 1.0F : 0.0F);
      users.push_back(i % 4);
      toys.push_back(i % 3 == 0);
      rows += fmt::format("{},{},{},{}\n", i % 4, positive ? 1 : 0, positive ? 1 : 0, i % 3 == 0 ? "toys" : "pet");
    }
    const std::string train = "user,last,linear,industry\n0,0,0.5,toys\n1,0,0.5,toys\n2,0,0.5,pet\n";
    prepare({.schema = folder.write("schema.yaml", kStudySchema),
             .train = {folder.write("train.csv", train)},
             .test = {folder.write("test.csv", rows)},
             .output = folder / "data",
             .progress = false});
    folder.write("base.yaml", "model: {type: base}\ndata: {path: x}\noutput: y\n");
    const std::string places = fmt::format("dataset: {}\noutput: {}\n", folder / "data", folder / "out");
    experiment = parse_experiment(folder.write("experiment.yaml", places + kStudyFile), {});
  }

  // Scores of a run: the more of them, the better.
  std::vector<float> logits(int goodness, int seed) const {
    std::vector<float> made;
    for (std::size_t i = 0; i < credits.size(); ++i)
      made.push_back(static_cast<float>((static_cast<int>(i) * 7 + seed * 5) % 11) +
                     static_cast<float>(goodness) * credits[i]);
    return made;
  }
  Metrics metrics(int goodness, int seed) const { return evaluate({logits(goodness, seed), credits, users, {}}); }

  test::DataFolder folder;
  Experiment experiment;
  std::vector<float> credits;
  std::vector<std::int64_t> users;
  std::vector<bool> toys;
};

constexpr int kBase = 2, kMal = 5;

std::vector<Dataset> opened(const Experiment& experiment) {
  std::vector<Dataset> datasets;
  for (const std::string& path : experiment.datasets) datasets.push_back(Dataset::open(path));
  return datasets;
}

}  // namespace

TEST_CASE("tables hold what the runs' scores say") {
  const StudyWorld world;
  const std::vector<Dataset> datasets = opened(world.experiment);
  const RunPlan plan(world.experiment, {data_fingerprint(world.experiment.datasets.front())});
  REQUIRE(plan.runs().size() == 4);
  for (const PlannedRun& run : plan.runs()) {
    std::filesystem::create_directories(run.config.output);
    save_scores(run.config.output,
                world.logits(run.config.model.type == "mal" ? kMal : kBase, static_cast<int>(run.config.seed)));
  }
  Evidence evidence(world.experiment, datasets, plan);
  const AllCounts counts = {count_views(datasets.front())};
  const std::vector<Study>& studies = world.experiment.studies;

  SECTION("systems") {
    const ResultTable table = tables_of(studies[1], evidence, counts).at(0);
    REQUIRE(table.rows.size() == 2);
    const auto& mal = table.json["rows"][1];
    double gauc = 0, auc = 0, base_gauc = 0, base_auc = 0;
    for (const int seed : {1, 2}) {
      gauc += *world.metrics(kMal, seed).gauc / 2, base_gauc += *world.metrics(kBase, seed).gauc / 2;
      auc += *world.metrics(kMal, seed).auc / 2, base_auc += *world.metrics(kBase, seed).auc / 2;
    }
    REQUIRE(gauc > base_gauc);
    CHECK(mal["gauc"]["mean"].get<double>() == Approx(gauc));
    CHECK(mal["gauc"]["seeds"][1].get<double>() == Approx(*world.metrics(kMal, 2).gauc));
    CHECK(mal["logloss"]["seeds"][0].get<double>() == Approx(*world.metrics(kMal, 1).logloss));
    CHECK(mal["gauc_difference"]["mean"].get<double>() == Approx(100 * (gauc - base_gauc)));
    CHECK(mal["auc_difference"]["mean"].get<double>() == Approx(100 * (auc - base_auc)));
    CHECK(mal["gauc_difference"]["low"].get<double>() <= 100 * (gauc - base_gauc));
    CHECK(mal["gauc_difference"]["high"].get<double>() >= 100 * (gauc - base_gauc));
    CHECK(table.header[8] == "paper: GAUC");
    CHECK(table.rows[1][8] == "0.7859 (+0.51 %)");
    CHECK(table.rows[1][9] == "+0.14 %");
    CHECK(table.rows[1][7] == change_text(auc, base_auc));
    CHECK(table.rows[0][4].empty());  // nothing is compared with itself
    CHECK(table.rows[0][8] == "—");
    CHECK(mal["paper"]["gauc_change"].get<double>() == 0.51);
    CHECK_FALSE(mal["paper"].contains("auc"));
    const double error = mal["gauc_difference"]["standard_error"].get<double>();
    CHECK(mal["gauc_difference"]["detectable"].get<double>() == Approx(2.8 * error));
    // 0.51 % of our Base is far less than four users can show.
    REQUIRE(2.8 * error > 0.51 * base_gauc);
    CHECK_THAT(table.warnings.at(0),
               Catch::Matchers::Contains(fmt::format("MAL {:+.2f} < {:.2f}.", 0.51 * base_gauc, 2.8 * error)));
    CHECK(table.json["warnings"].size() == table.warnings.size());
    CHECK_THAT(to_markdown(table), Catch::Matchers::Contains("**Warning:** too little test data"));
    CHECK_THAT(to_markdown(table), Catch::Matchers::StartsWith("### Systems; primary view: last\n\n| system | GAUC |"));
  }
  SECTION("positives") {
    const ResultTable table = tables_of(studies[0], evidence, counts).at(0);
    CHECK(table.rows[1] == std::vector<std::string>{"linear", "3", "5", "29.630 %", "1.600", "1.42"});
    CHECK(table.rows[0].back() == "—");
  }
  SECTION("industries") {
    const ResultTable table = tables_of(studies[2], evidence, counts).at(0);
    REQUIRE(table.rows.size() == 2);
    CHECK(table.rows[0][0] == "toys");  // the largest growth comes first
    CHECK(table.rows[0][2] == "+100.0 %");
    CHECK(table.rows[0][3] == "+34.26 %");
    CHECK(table.rows[0].back() == "+900.00 %");
    CHECK(table.rows[1].back() == "—");
    CHECK(table.warnings.empty());  // a gain of 900 % is seen
    CHECK_THAT(to_markdown(table), Catch::Matchers::Contains("no test row has: food."));
    CHECK(table.rows[1][2] == "+33.3 %");
    Scored part;
    for (std::size_t i = 0; i < world.toys.size(); ++i) {
      if (!world.toys[i]) continue;
      part.logits.push_back(world.logits(kMal, 1)[i]);
      part.credits.push_back(world.credits[i]);
    }
    CHECK(table.json["rows"][0]["auc"]["seeds"][0].get<double>() == Approx(*evaluate(part).auc));
  }
  SECTION("files") {
    const std::vector<ResultTable> tables = tables_of(studies[1], evidence, counts);
    write_results(world.experiment.output, "A & B", tables);
    const std::string page = test::bytes_of(world.experiment.output + "/report.html");
    CHECK_THAT(page, Catch::Matchers::Contains("A &amp; B") && Catch::Matchers::Contains("<svg"));
    CHECK_THAT(page, !Catch::Matchers::Contains("http"));
    CHECK_THAT(page, Catch::Matchers::Contains("<strong>Warning:</strong> too little test data"));
    const auto json = nlohmann::json::parse(test::bytes_of(world.experiment.output + "/tables/systems.json"));
    CHECK(json["rows"][1]["label"] == "MAL");
    CHECK(test::bytes_of(world.experiment.output + "/report.md") == to_markdown(tables[0]));
  }
}

}  // namespace mal

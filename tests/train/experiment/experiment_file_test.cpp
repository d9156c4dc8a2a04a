#include "train/experiment/experiment_file.h"

#include <catch2/catch.hpp>

#include "tests/train/dataset_support.h"
#include "train/experiment/run_plan.h"

namespace mal {

namespace {

constexpr const char* kExperiment = R"(dataset: data
output: out
base: base.yaml
seeds: [1, 5]
set: {train.batch_size: 64}
studies:
  - {id: ratios, title: Ratios, kind: positives, paper: {linear: 1.42}}
  - id: table3
    title: Systems
    kind: systems
    primary: [last, mta]
    rows:
      - {label: Base, set: {model.type: base}}
      - {label: MAL, set: {model.type: mal, model.mal.views: [last, linear]}, paper: {last: {gauc: 0.7859, gauc_change: +0.51}}}
  - id: figure5
    title: Growth
    kind: user_growth
    primary: [last]
    growth: ratio
    edges: [0, 0.5]
    paper: {over 50 %: {gauc_change: 1.23}}
    rows: [{label: Base, set: {model.type: base}}, {label: all, set: {model.type: mal}}]
)";

class ExperimentFolder {
 public:
  ExperimentFolder() { folder.write("base.yaml", "model: {type: base}\ndata: {path: x}\noutput: y\n"); }
  Experiment parse(const std::string& text, const std::vector<std::string>& overrides = {}) const {
    return parse_experiment(folder.write("experiment.yaml", text), overrides);
  }
  // The message where `from` is replaced by `to`.
  std::string refusal(const std::string& from, const std::string& to) const {
    std::string text = kExperiment;
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    text.replace(at, from.size(), to);
    return test::message_of([&] { RunPlan(parse(text), {"data"}); });
  }
  test::DataFolder folder;
};

}  // namespace

TEST_CASE("an experiment file is read") {
  const ExperimentFolder files;
  const Experiment experiment = files.parse(kExperiment, {"seeds=[7]", "resamples=300"});
  CHECK(experiment.seeds == std::vector<std::int64_t>{7});
  CHECK(experiment.resamples == 300);
  CHECK(experiment.base == files.folder / "base.yaml");  // beside the file, from wherever it is called
  REQUIRE(experiment.studies.size() == 3);
  const Study& systems = experiment.studies[1];
  CHECK(systems.kind == StudyKind::systems);
  CHECK(systems.primaries == std::vector<std::string>{"last", "mta"});
  CHECK(systems.rows[1].set == std::vector<std::string>{"model.type=mal", "model.mal.views=[last, linear]"});
  const PaperFigure paper = paper_figure(systems.rows[1].paper, "last");
  CHECK(paper.gauc == 0.7859);
  CHECK(paper.gauc_change == 0.51);
  CHECK_FALSE(paper.auc_change.has_value());
  CHECK_FALSE(paper_figure(systems.rows[1].paper, "mta").gauc.has_value());
  CHECK(paper_figure(experiment.studies[0].paper, "linear").ratio == 1.42);
  CHECK(paper_figure(experiment.studies[2].paper, "over 50 %").gauc_change == 1.23);
  CHECK(experiment.studies[2].view == "linear");
  CHECK(experiment.studies[2].against == "last");
  CHECK(experiment.studies[2].growth.edges == std::vector<double>{0, 0.5});
  CHECK_FALSE(experiment.studies[2].growth.count);
  CHECK(experiment.studies[2].growth.last_days == 0);

  const RunConfig config = run_config_of(experiment, systems, systems.rows[1], "mta", 7);
  CHECK(config.model.type == "mal");
  CHECK(config.model.primary == "mta");
  CHECK(config.model.mal.views == std::vector<std::string>{"last", "linear"});
  CHECK(config.seed == 7);
  CHECK(config.train.batch_size == 64);
  CHECK(config.data.path == "data");
}

TEST_CASE("a wrong experiment file is refused with its place") {
  const ExperimentFolder files;
  const auto refused = [&](const std::string& from, const std::string& to, const std::string& pattern) {
    INFO(to);
    CHECK_THAT(files.refusal(from, to), Catch::Matchers::Contains(pattern));
  };
  refused("seeds: [1, 5]", "seed: [1, 5]", "seeds");
  refused("seeds: [1, 5]", "seeds: []", "experiment.yaml:4: 'seeds'");
  refused("seeds: [1, 5]", "seeds: [1, 1]", "a seed is given twice");
  refused("seeds: [1, 5]", "seeds: [-1]", "from 0 on");
  refused("kind: systems", "kind: system", "did you mean 'systems'");
  refused("id: table3", "id: ../table3", "small letters");
  refused("id: figure5", "id: table3", "two studies are called 'table3'");
  refused("label: MAL", "label: Base", "two rows are called 'Base'");
  refused("label: MAL", "lable: MAL", "label");
  refused("primary: [last, mta]", "primary: []", "name a view");
  refused("primary: [last]", "primary: [last, mta]", "name one view");
  refused("edges: [0, 0.5]", "edges: [0.5, 0]", "ascending");
  refused("edges: [0, 0.5]", "edges: []", "required");
  refused("growth: ratio", "growth: count", "whole numbers of positives");
  refused("growth: ratio", "growth: counts", "did you mean 'count'");
  refused("growth: ratio", "last_days: -1", "must be from 0");
  refused("paper: {linear: 1.42}", "paper: about 1.42", "paper");
  refused("paper: {linear: 1.42}", "paper: {linear: about 1.42}", "'studies[0].paper.linear' must be a number");
  refused("{gauc: 0.7859, gauc_change: +0.51}", "+0.51 %",
          "experiment.yaml:14: 'studies[1].rows[1].paper.last': a map");
  refused("{gauc: 0.7859, gauc_change: +0.51}", "{}", "give figures of: gauc, auc, gauc_change, auc_change");
  refused("gauc_change: +0.51", "gauc_chnge: +0.51", "did you mean 'gauc_change'");
  refused("gauc_change: +0.51", "growth: 3", "unknown key");
  refused("gauc: 0.7859", "gauc: 78.59", "must be from 0 to 1");
  refused("paper: {last:", "paper: {first:", "'first' is none of: last, mta");
  refused(
      "over 50 %:", "over 5 %:", "'over 5 %' is none of: no positives, growth up to 0 %, over 0 % to 50 %, over 50 %");
  refused("kind: positives", "kind: positives, rows: []", "unknown key");
  refused("rows: [{label: Base, set: {model.type: base}}, ", "rows: [", "two are needed");
  refused("model.mal.views: [last, linear]", "seed: 3", "is set by the experiment");
  refused("model.mal.views: [last, linear]", "model.primary: mta", "is set by the experiment");
  refused("model.mal.views: [last, linear]", "model.mal.vews: [last]", "study 'table3', row 'MAL': --set");
  refused("{train.batch_size: 64}", "{train.batch_size: 0}", "must be from 1");
  CHECK(files.refusal("output: out", "output: out").empty());  // as it stands it is right
}

TEST_CASE("rows that come to the same configuration are one run") {
  const ExperimentFolder files;
  const Experiment experiment = files.parse(kExperiment);
  const RunPlan plan(experiment, {"data"});
  // A seed: Base and MAL(last, linear) under two primaries, and MAL of all views. Base is in two studies.
  REQUIRE(plan.runs().size() == 10);
  for (std::size_t r = 0; r < plan.runs().size(); ++r) CHECK(plan.runs()[r].config.seed == (r < 5 ? 1 : 5));
  const Study &systems = experiment.studies[1], &growth = experiment.studies[2];
  CHECK(plan.keys(systems, systems.rows[0], "last") == plan.keys(growth, growth.rows[0], "last"));
  CHECK(plan.keys(systems, systems.rows[0], "last") != plan.keys(systems, systems.rows[0], "mta"));
  CHECK(plan.keys(systems, systems.rows[1], "last") != plan.keys(growth, growth.rows[1], "last"));
  CHECK(plan.runs()[0].config.output == "out/runs/" + plan.runs()[0].key);
  CHECK(RunPlan(experiment, {"other data"}).runs()[0].key != plan.runs()[0].key);
}

TEST_CASE("several data sets: each row is run on each of them") {
  const ExperimentFolder files;
  CHECK(files.parse(kExperiment).datasets == std::vector<std::string>{"data"});
  CHECK(files.parse(kExperiment, {"dataset=[data]"}).datasets == std::vector<std::string>{"data"});
  const Experiment experiment = files.parse(kExperiment, {"dataset=[a, b]"});
  const RunPlan plan(experiment, {"data of a", "data of b"});
  REQUIRE(plan.runs().size() == 20);
  CHECK(plan.runs()[0].config.data.path == "a");
  CHECK(plan.runs()[0].dataset == 0);
  CHECK(plan.runs()[5].config.data.path == "b");
  CHECK(plan.runs()[5].dataset == 1);
  CHECK(plan.runs()[5].label == "Base, primary last, seed 1, b");
  const Study& systems = experiment.studies[1];
  const auto keys = [&](std::size_t dataset) { return plan.keys(systems, systems.rows[1], "mta", dataset); };
  CHECK(keys(0).size() == 2);
  CHECK(keys(0) != keys(1));
  // Of the first data set they are those of an experiment of it alone: no run is done again for a second one.
  CHECK(keys(0) == RunPlan(files.parse(kExperiment), {"data of a"}).keys(systems, systems.rows[1], "mta"));
  CHECK_THAT(test::message_of([&] {
               RunPlan(experiment, {"same", "same"});
             }),
             Catch::Matchers::Contains("the data sets a and b hold the same"));
  CHECK_THAT(test::message_of([&] { files.parse(kExperiment, {"dataset=[]"}); }), Catch::Matchers::Contains("dataset"));
  CHECK_THAT(test::message_of([&] { files.parse(kExperiment, {"dataset=[a, a]"}); }),
             Catch::Matchers::Contains("'a' is given twice"));
}

TEST_CASE("a run's key is of what its result depends on") {
  RunConfig config;
  config.data.path = "a";
  config.output = "b";
  const std::string key = run_key(config, "data");
  const auto with = [&](const auto& change) {
    RunConfig changed = config;
    change(changed);
    return run_key(changed, "data");
  };
  CHECK(key.size() == 16);
  CHECK(with([](RunConfig& c) { c.output = "elsewhere"; }) == key);
  CHECK(with([](RunConfig& c) { c.data.path = "elsewhere"; }) == key);
  CHECK(with([](RunConfig& c) { c.name = "another name"; }) == key);
  CHECK(with([](RunConfig& c) { c.train.threads = 3; }) == key);
  CHECK(with([](RunConfig& c) { c.eval.slices = {"industry"}; }) == key);
  CHECK(with([](RunConfig& c) { c.vocab = Vocab::grow; }) == key);
  CHECK(with([](RunConfig& c) { c.train.keep_checkpoint = true; }) == key);
  CHECK(with([](RunConfig& c) { c.init_from = "earlier"; }) != key);
  CHECK(with([](RunConfig& c) { c.seed = 2; }) != key);
  CHECK(with([](RunConfig& c) { c.model.primary = "mta"; }) != key);
  CHECK(with([](RunConfig& c) { c.model.tower = {64}; }) != key);
  CHECK(with([](RunConfig& c) { c.train.batch_size = 7; }) != key);
  CHECK(with([](RunConfig& c) { c.dense.learning_rate *= 1.0000001; }) != key);
  CHECK(run_key(config, "other") != key);
}

}  // namespace mal

// The keys of each model: read, written, and refused where they would have no effect.
#include <catch2/catch.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/error.h"
#include "model/registry.h"
#include "train/config/run_config.h"

namespace mal::test::model_config {

using Widths = std::vector<std::int64_t>;

RunConfig read(const std::string& model) {
  return parse_run_config_text("data: {path: d}\noutput: o\nmodel: " + model + "\n", "c.yaml", {});
}

// What follows "c.yaml:3: " in the message; "" if there is no error.
std::string error(const std::string& model) {
  try {
    read(model);
  } catch (const Error& problem) {
    CHECK(problem.exit_code() == 2);
    const std::string text = problem.what();
    CHECK(text.starts_with("c.yaml:3: "));
    return text.substr(10);
  }
  return "";
}

TEST_CASE("each model's configuration reads back as itself, and has a preset") {
  for (const std::string& type : model_types()) {
    INFO(type);
    const std::string resolved = to_yaml(read("{type: " + type + "}"));
    CHECK(to_yaml(parse_run_config_text(resolved, "c.yaml", {})) == resolved);
    const std::string preset = std::string(MAL_TEST_DATA) + "/../../train/configs/" + type + ".yaml";
    CHECK(parse_run_config(preset, {}).model.type == type);
  }
  for (const std::string& aka : aka_types()) {
    INFO(aka);
    const std::string resolved = to_yaml(read("{type: mal, mal: {aka: " + aka + "}}"));
    CHECK(to_yaml(parse_run_config_text(resolved, "c.yaml", {})) == resolved);
  }
}

TEST_CASE("keys of the models of several views") {
  CHECK(read("{type: shared_bottom, shared_bottom: {layers: 1}}").model.shared_bottom.layers == 1);
  const ModelConfig mmoe = read("{type: mmoe, mmoe: {experts: 6, expert: [32, 16]}}").model;
  CHECK(mmoe.mmoe.experts == 6);
  CHECK(mmoe.mmoe.expert == Widths{32, 16});
  const ModelConfig ple = read(
                              "{type: mal, mal: {aka: ple}, ple: {layers: 3, view_experts: 2, shared_experts: 4, "
                              "expert: [8]}}")
                              .model;
  CHECK(ple.mal.aka == "ple");
  CHECK(ple.ple.layers == 3);
  CHECK(ple.ple.view_experts == 2);
  CHECK(ple.ple.shared_experts == 4);
  CHECK(ple.ple.expert == Widths{8});
  CHECK(read("{type: ple, view_weights: [1, 0.5, 0]}").model.view_weights == std::vector<double>{1, 0.5, 0});
}

TEST_CASE("keys of home, adatt, natal, moae") {
  const HomeConfig home =
      read("{type: mal, mal: {aka: home}, home: {experts: 2, expert: 32, rank: 3, groups: [[last], [mta, linear]]}}")
          .model.home;
  CHECK(home.experts == 2);
  CHECK(home.expert == 32);
  CHECK(home.rank == 3);
  CHECK(home.groups == std::vector<std::vector<std::string>>{{"last"}, {"mta", "linear"}});
  const AdattConfig adatt = read("{type: adatt, adatt: {layers: 3, experts: 2, expert: [8]}}").model.adatt;
  CHECK(adatt.layers == 3);
  CHECK(adatt.experts == 2);
  CHECK(adatt.expert == Widths{8});
  const ModelConfig natal = read("{type: natal, bottom: [], natal: {lambda_view: 0.7}}").model;
  CHECK(natal.natal.lambda_view == 0.7);
  CHECK(natal.bottom.empty());
  const MoaeConfig moae = read("{type: moae, moae: {lambda_view: 0.6, expert: [9]}}").model.moae;
  CHECK(moae.lambda_view == 0.6);
  CHECK(moae.expert == Widths{9});
}

TEST_CASE("keys of senet, multi-head attention and multi-task optimisation") {
  const ModelConfig model = read(
                                "{type: mal, embedding_dim: 12, senet: {enabled: true, reduction: 3}, "
                                "interaction: {attention: mha, heads: 6}}")
                                .model;
  CHECK(model.senet.enabled);
  CHECK(model.senet.reduction == 3);
  CHECK(model.interaction.attention == Attention::mha);
  CHECK(model.interaction.heads == 6);
  CHECK(error("{embedding_dim: 6, interaction: {attention: mha, heads: 4}}") ==
        "'model.interaction.heads': model.embedding_dim 6 does not divide into 4 heads; choose a divisor of it");
  const auto with = [](const std::string& type, const std::string& kind) {
    return parse_run_config_text("data: {path: d}\noutput: o\nmodel: {type: " + type + "}\n", "c.yaml",
                                 {"train.multi_task=" + kind});
  };
  CHECK(with("mal", "pcgrad").train.multi_task == MultiTask::pcgrad);
  CHECK(with("mmoe", "gcs").train.multi_task == MultiTask::gcs);
  CHECK(with("mmoe", "none").train.multi_task == MultiTask::none);
  CHECK_THROWS_WITH(with("base", "gcs"), Catch::Contains("has no effect on type: base, which has one loss"));
}

TEST_CASE("a key of another model is refused") {
  CHECK(error("{type: base, mmoe: {experts: 3}}") ==
        "'model.mmoe': has no effect on type: base; remove it, or set model.type: mmoe");
  CHECK(error("{type: mal, ple: {layers: 3}}").starts_with("'model.ple': has no effect on type: mal"));
  CHECK(error("{type: mmoe, shared_bottom: {layers: 2}}").starts_with("'model.shared_bottom': has no effect"));
  CHECK(error("{type: mmoe, bottom: [8]}") ==
        "'model.bottom': has no effect on type: mmoe, whose experts read the input");
  CHECK(error("{type: mal, mal: {aka: mmoe, aka_bottom: [8]}}").starts_with("'model.mal.aka_bottom': has no effect"));
  CHECK(error("{interaction: {heads: 2}}") == "'model.interaction.heads': has no effect without attention: mha");
  CHECK(error("{senet: {reduction: 2}}").starts_with("'model.senet.reduction': has no effect without senet.enabled"));
  CHECK(error("{type: base, view_weights: [1]}").starts_with("'model.view_weights': has no effect on type: base"));
}

TEST_CASE("values of a model that are out of range are refused") {
  CHECK(error("{type: mmoe, mmoe: {experts: 0}}") == "'model.mmoe.experts' must be from 1 to 64, not 0");
  CHECK(error("{type: mmoe, mmoe: {expert: []}}").starts_with("'model.mmoe.expert': at least one layer is needed"));
  CHECK(error("{type: ple, ple: {layers: 17}}") == "'model.ple.layers' must be from 1 to 16, not 17");
  CHECK(error("{type: shared_bottom, shared_bottom: {layers: 4}}") ==
        "'model.shared_bottom.layers': of the 4 layers of model.bottom and model.tower at least one is left to the "
        "towers");
  CHECK(error("{type: mmoe, view_weights: [1, -1]}") ==
        "'model.view_weights': each number must be from 0 to 1000, not -1");
  CHECK(error("{type: home, home: {groups: [[last, mta], [last]]}}") == "'model.home.groups': 'last' is named twice");
  CHECK(error("{type: home, home: {groups: [[]]}}") == "'model.home.groups': an empty list");
  CHECK(error("{type: home, home: {groups: [last]}}").starts_with("'model.home.groups[0]'"));
  CHECK(error("{type: home, home: {groups: last}}").starts_with("'model.home.groups'"));
  CHECK(error("{type: mmoe, view_weights: [1, x]}").starts_with("'model.view_weights[1]'"));
}

}  // namespace mal::test::model_config

// The models of MODELS.md §3 beside base and mal: gradients, sizes, heads.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "engine/error.h"
#include "tests/model/gradient_check.h"
#include "tests/model/small_model.h"

namespace mal::test::zoo {

// Of the trunk of small_schema(): [user item tags] + attention + simtier + price.
constexpr std::int64_t kZ = 3 * 4 + 4 + 4 + 1;
constexpr std::int64_t kTrunk = (4 * 4 * 3 + 3 * 3 + 1) + 4 + 2 * kZ;  // attention, tiers, layer norm

std::int64_t dense(std::int64_t inputs, std::int64_t outputs) {
  return inputs * outputs + outputs;
}

// Of a tower of widths 6, 5 and one logit.
std::int64_t tower(std::int64_t inputs) {
  return dense(inputs, 6) + dense(6, 5) + dense(5, 1);
}

std::vector<std::string> head_names(const Model& model) {
  std::vector<std::string> names;
  for (const Head& head : model.heads) names.push_back(head.name);
  return names;
}

std::vector<std::string> parameter_names(const SmallModel& m, const std::string& prefix) {
  std::vector<std::string> names;
  for (const Parameter& parameter : m.parameters.all_dense())
    if (parameter.name.starts_with(prefix)) names.push_back(parameter.name);
  return names;
}

const std::vector<std::string> kTypes = {"shared_bottom", "mmoe", "ple"};

TEST_CASE("every model of the zoo: gradients of the whole network", "[model]") {
  for (const std::string& type : kTypes) {
    INFO(type);
    {
      INFO("linear hidden layers");
      check_gradients(smooth_config(type));
    }
    INFO("relu");
    check_gradients(small_config(type), kReluStep);
  }
}

TEST_CASE("every model of the zoo has a head a view, the primary one first", "[model]") {
  for (const std::string& type : kTypes) {
    INFO(type);
    ModelConfig config = small_config(type);
    config.primary = "linear";
    const SmallModel m(config);
    CHECK(head_names(m.model) == std::vector<std::string>{"primary", "view/last", "view/first", "view/mta"});
    for (std::size_t h = 0; h < 4; ++h) CHECK(m.model.heads[h].labels == std::vector<int>{std::vector{2, 0, 1, 3}[h]});
    CHECK(m.graph.name(m.model.heads[0].logits) == "tower/linear/logit");
  }
}

TEST_CASE("every model of the zoo: an evaluation graph gives the training graph's logits to the bit", "[model]") {
  for (const std::string& type : kTypes) {
    INFO(type);
    SmallModel training(small_config(type), 6, true), evaluation(small_config(type), 6, false);
    CHECK(training.logits() == evaluation.logits());
  }
}

TEST_CASE("view_weights scale each view's loss", "[model]") {
  for (const std::string& type : kTypes) {
    INFO(type);
    ModelConfig config = small_config(type);
    config.view_weights = {1, 0, 0.5, 2};
    SmallModel m(config);
    m.run();
    CHECK(gradient_size(m, "tower/last/") > 0);
    CHECK(gradient_size(m, "tower/first/") == 0);
    const double half = gradient_size(m, "tower/linear/");
    SmallModel plain(small_config(type));
    plain.run();
    CHECK(half == Approx(0.5 * gradient_size(plain, "tower/linear/")));
    config.view_weights = {1, 1};
    CHECK_THROWS_WITH(SmallModel(config), Catch::Contains("model.view_weights: 2 numbers for 4 views"));
  }
}

TEST_CASE("shared_bottom shares the first layers of bottom and tower", "[model]") {
  ModelConfig config = small_config("shared_bottom");  // 8 | 6 | 5 → 1
  const SmallModel m(config);
  CHECK(m.parameters.dense_count() == kTrunk + dense(kZ, 8) + dense(8, 6) + 4 * (dense(6, 5) + dense(5, 1)));
  CHECK(parameter_names(m, "bottom/1/") == std::vector<std::string>{"bottom/1/weight", "bottom/1/bias"});
  config.shared_bottom.layers = 3;
  CHECK_THROWS_WITH(SmallModel(config), Catch::Contains("3 of the 3 layers") && Catch::Contains("choose 1 to 2"));
}

TEST_CASE("mmoe has the layers of its formula", "[model]") {
  const SmallModel m(small_config("mmoe"));
  CHECK(m.parameters.dense_count() == kTrunk + 3 * dense(kZ, 7) + 4 * dense(kZ, 3) + 4 * tower(7));
  CHECK(parameter_names(m, "mmoe/gate/mta/").size() == 2);
  CHECK(parameter_names(m, "mmoe/expert/2/0/").size() == 2);
}

TEST_CASE("ple has the layers of its formula", "[model]") {
  ModelConfig config = small_config("ple");
  const std::int64_t experts = 4 * 2 + 1;  // a level, of width 6
  const auto level = [&](std::int64_t inputs) { return experts * dense(inputs, 6) + 4 * dense(inputs, 3); };
  const SmallModel m(config);
  CHECK(m.parameters.dense_count() == kTrunk + level(kZ) + dense(kZ, experts) + level(6) + 4 * tower(6));
  CHECK(parameter_names(m, "ple/0/gate/shared/").size() == 2);
  CHECK(parameter_names(m, "ple/1/gate/shared/").empty());
  config.ple.layers = 1;
  CHECK(SmallModel(config).parameters.dense_count() == kTrunk + level(kZ) + 4 * tower(6));
}

// A tower's view reaches no other view's experts within a level: with the shared experts' gate closed, "last" learns
// nothing from mta's experts but through the level below.
TEST_CASE("ple: a view mixes its own and the shared experts alone", "[model]") {
  ModelConfig config = small_config("ple");
  config.view_weights = {1, 0, 0, 0};
  SmallModel m(config);
  m.run();
  CHECK(gradient_size(m, "ple/1/last/") > 0);
  CHECK(gradient_size(m, "ple/1/shared/") > 0);
  CHECK(gradient_size(m, "ple/1/mta/") == 0);
  CHECK(gradient_size(m, "ple/0/mta/") > 0);  // by the shared gate
}

TEST_CASE("mal over another way of sharing: gradients, sizes", "[model]") {
  const std::int64_t around = kTrunk + dense(kZ, 8) + dense(8, 7) + dense(5 * 5, 7)                       // PTP
                              + dense(7, 6) + dense(6, 5) + dense(5, 1);                                  // its head
  const auto towers = [](std::int64_t width) { return 4 * tower(width) + tower(width) + 15 * (5 + 1); };  // CAT: 16
  for (const std::string aka : {"mmoe", "ple"}) {
    INFO(aka);
    ModelConfig config = smooth_config("mal");
    config.mal.aka = aka;
    check_gradients(config);
    SmallModel training(config), evaluation(config, 6, false);
    CHECK(training.logits() == evaluation.logits());
    CHECK(head_names(training.model).back() == "aka/cat");
    const std::int64_t shared =
        aka == "mmoe" ? 3 * dense(kZ, 7) + 5 * dense(kZ, 3)
                      : 11 * dense(kZ, 6) + 5 * dense(kZ, 3) + dense(kZ, 11) + 11 * dense(6, 6) + 5 * dense(6, 3);
    CHECK(training.parameters.dense_count() == around + shared + towers(aka == "mmoe" ? 7 : 6));
    CHECK(parameter_names(training, "aka/" + aka).size() > 10);
    CHECK(parameter_names(training, "aka/bottom").empty());
  }
  ModelConfig config = small_config("mal");
  config.mal.aka = "mmo";
  CHECK_THROWS_WITH(SmallModel(config), Catch::Contains("model.mal.aka 'mmo' is not known"));
}

}  // namespace mal::test::zoo

// The models of MODELS.md §3 beside base and mal: gradients, sizes, heads.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
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

const std::vector<std::string> kTypes = {"shared_bottom", "mmoe", "ple", "home", "adatt", "natal", "moae"};
const std::vector<std::string> kWithViewTowers = {"shared_bottom", "mmoe", "ple", "home", "adatt"};

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
    const bool injects = type == "natal" || type == "moae";
    CHECK(m.graph.name(m.model.heads[0].logits) == (injects ? type + "/primary/logit" : "tower/linear/logit"));
  }
}

TEST_CASE("every model of the zoo: an evaluation graph gives the training graph's logits to the bit", "[model]") {
  for (const std::string& type : kTypes) {
    INFO(type);
    if (type == "home") continue;  // its batch norm reads other statistics; below
    SmallModel training(small_config(type), 6, true), evaluation(small_config(type), 6, false);
    CHECK(training.logits() == evaluation.logits());
  }
}

TEST_CASE("view_weights scale each view's loss", "[model]") {
  for (const std::string& type : kWithViewTowers) {
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

// Of an expert over `inputs` columns: two feature-gate factors, a layer without a bias, gamma and beta.
std::int64_t home_expert(std::int64_t inputs) {
  return 2 * inputs * 2 + inputs * 6 + 2 * 6;
}

TEST_CASE("home has the layers of its formula", "[model]") {
  const SmallModel m(small_config("home"));  // groups {last, first} and {linear, mta}
  const std::int64_t meta = 3 * home_expert(kZ) + 2 * (dense(kZ, 2) + dense(kZ, 1)) + dense(kZ, 3) + dense(kZ, 1);
  const std::int64_t view = (1 + 2 + 4) * home_expert(6) + 4 * (dense(12, 3) + dense(12, 1));
  CHECK(m.parameters.dense_count() == kTrunk + meta + view + 4 * tower(6));
  CHECK(parameter_names(m, "home/meta/group1/0/").size() == 5);
  CHECK(parameter_names(m, "home/meta/group2/").empty());
  CHECK(m.parameters.all_states().size() == 2 * (3 + 7));
}

TEST_CASE("home: groups as configured; a view in none or in two is named", "[model]") {
  ModelConfig config = small_config("home");
  config.home.groups = {{"mta"}, {"first", "linear"}, {"last"}};
  config.home.experts = 2;
  check_gradients(config, kReluStep);
  CHECK(parameter_names(SmallModel(config), "home/meta/group2/1/").size() == 5);
  config.home.groups = {{"mta"}, {"first", "linear"}};
  CHECK_THROWS_WITH(SmallModel(config), Catch::Contains("the view 'last' is in 0 groups"));
  config.home.groups = {{"mta", "last"}, {"first", "linear", "last"}};
  CHECK_THROWS_WITH(SmallModel(config), Catch::Contains("the view 'last' is in 2 groups"));
  config.home.groups = {{"mta", "lats"}};
  CHECK_THROWS_WITH(SmallModel(config), Catch::Contains("model.home.groups") && Catch::Contains("'lats'"));
}

// A task's vector takes in its own group's experts, never another group's but through the level below.
TEST_CASE("home: a view does not see another group's experts", "[model]") {
  ModelConfig config = small_config("home");
  config.view_weights = {1, 0, 0, 0};
  SmallModel m(config);
  m.run();
  CHECK(gradient_size(m, "home/view/last/") > 0);
  CHECK(gradient_size(m, "home/view/group0/") > 0);
  CHECK(gradient_size(m, "home/view/group1/") == 0);
  CHECK(gradient_size(m, "home/view/first/") == 0);
  CHECK(gradient_size(m, "home/meta/group1/") > 0);  // by m_s
}

constexpr kernels::GradientNorm kFinite{1, 1, 1};

// In training batch norm takes the batch's statistics, in evaluation running ones, which a step moves a tenth of the
// way and which hold the unbiased variance. Where the running ones are the batch's, both graphs compute the same.
TEST_CASE("home: evaluation reads running statistics, which steps move towards the batches'", "[model]") {
  SmallModel m(small_config("home"), 6);
  Graph evaluation(m.device, 6, false);
  const Model model = build_model(evaluation, m.parameters, m.schema, small_config("home"));
  evaluation.plan();
  const auto difference = [&] {
    bind_batch(evaluation, model.inputs, m.schema, m.batch);
    evaluation.forward(6);
    const Matrix matrix = evaluation.matrix(model.logits);
    const std::vector<float> trained = m.logits();
    double most = 0;
    for (std::size_t i = 0; i < trained.size(); ++i)
      most = std::max(most, std::abs(static_cast<double>(
                                trained[i] - matrix.data[i / 4 * static_cast<std::size_t>(matrix.stride) + i % 4])));
    return most;
  };
  const double before = difference();
  CHECK(before > 1e-2);
  m.logits();
  CHECK(difference() == before);  // a forward pass alone moves nothing
  for (int step = 0; step < 200; ++step) {
    m.run();
    m.graph.commit(&kFinite);
  }
  for (State& state : m.parameters.all_states())
    if (state.name.ends_with("/variance"))
      for (float& variance : state.value.span()) variance *= 5.0F / 6.0F;  // biased, as the batch's
  CHECK(difference() < 1e-4);
}

TEST_CASE("home: a batch of one row trains, and moves no variance", "[model]") {
  SmallModel m(small_config("home"), 1);
  CHECK(std::isfinite(m.run()));
  m.graph.commit(&kFinite);
  for (const State& state : m.parameters.all_states())
    if (state.name.ends_with("/variance"))
      for (const float variance : state.value.span()) CHECK(variance == 1);
}

TEST_CASE("adatt has the layers of its formula", "[model]") {
  ModelConfig config = small_config("adatt");
  config.adatt.experts = 2;
  check_gradients(smooth_config("adatt"));
  const SmallModel m(config);
  const auto level = [](std::int64_t inputs) { return 8 * dense(inputs, 6) + 4 * dense(inputs, 8) + 4 * 2; };
  CHECK(m.parameters.dense_count() == kTrunk + level(kZ) + level(6) + 4 * tower(6));
  const auto& all = m.parameters.all_dense();
  const auto native = std::ranges::find(all, "adatt/1/native/mta", &Parameter::name);
  REQUIRE(native != all.end());
  for (const float weight : native->value.span()) CHECK(weight == 0.5F);
}

// The primary tower at each depth of widths 6, 5: its layer, then the injection of four hidden layers.
std::int64_t injected(std::int64_t inputs) {
  return 3 * tower(inputs) + dense(inputs, 6) + dense(4 * 6, 6) + dense(6, 5) + dense(4 * 5, 5) + dense(5, 1);
}

TEST_CASE("natal has the layers of its formula, and learns from the other views", "[model]") {
  ModelConfig config = small_config("natal");
  config.natal.lambda_view = 0;
  SmallModel m(config);
  CHECK(m.parameters.dense_count() == kTrunk + dense(kZ, 8) + injected(8));
  m.run();
  CHECK(gradient_size(m, "natal/mta/0/") > 0);  // by the injection
  CHECK(gradient_size(m, "natal/mta/logit/") == 0);
  config.natal.lambda_view = 0.5;
  config.view_weights = {3, 1, 1, 2};
  const SmallModel weighted(config);
  CHECK(weighted.model.heads[0].scale == 1);
  CHECK(weighted.model.heads[3].scale == 1);
  CHECK(weighted.model.heads[2].scale == 0.5);
}

TEST_CASE("moae has the layers of its formula", "[model]") {
  const SmallModel m(small_config("moae"));
  const std::int64_t senet = dense(6, 3) + dense(3, 6);  // 6 fields: user, item, tags, attention, simtier, numbers
  CHECK(m.parameters.dense_count() == kTrunk + 5 * (senet + dense(kZ, 7)) + injected(14));
  CHECK(parameter_names(m, "moae/private/primary/senet/").size() == 4);
  CHECK(parameter_names(m, "moae/private/last/").empty());
}

TEST_CASE("senet in the trunk: gradients, size", "[model]") {
  ModelConfig config = smooth_config("base");
  config.senet.enabled = true;
  check_gradients(config, kReluStep);
  ModelConfig plain = smooth_config("base");
  const std::int64_t senet = dense(6, 3) + dense(3, 6);
  CHECK(SmallModel(config).parameters.dense_count() == SmallModel(plain).parameters.dense_count() + senet);
  config.senet.reduction = 100;
  CHECK(SmallModel(config).parameters.dense_count() ==
        SmallModel(plain).parameters.dense_count() + dense(6, 1) + dense(1, 6));
  SmallModel training(config), evaluation(config, 6, false);
  CHECK(training.logits() == evaluation.logits());
}

TEST_CASE("multi-head attention in the trunk: gradients, size, errors", "[model]") {
  ModelConfig config = smooth_config("mal");
  config.interaction.attention = Attention::mha;
  check_gradients(config);
  const std::int64_t din = 4 * 4 * 3 + 3 * 3 + 1, mha = dense(8, 4) + 4 * 4 + 2 * dense(4, 4);  // item and tags ask
  CHECK(SmallModel(config).parameters.dense_count() ==
        SmallModel(smooth_config("mal")).parameters.dense_count() - din + mha);
  SmallModel training(config), evaluation(config, 6, false);
  CHECK(training.logits() == evaluation.logits());
  config.interaction.heads = 3;
  CHECK_THROWS_WITH(SmallModel(config), Catch::Contains("model.interaction.heads") && Catch::Contains("4"));
}

TEST_CASE("multi-head attention without an embedding on the ad's side is refused", "[model]") {
  ModelConfig config = small_config("base");
  config.interaction.attention = Attention::mha;
  Schema schema = small_schema();
  for (Column& column : schema.columns) column.side = Side::user;
  Graph graph(select_device("cpu", 1), 2, false);
  Parameters parameters(1);
  CHECK_THROWS_WITH(build_model(graph, parameters, schema, config),
                    Catch::Contains("mha") && Catch::Contains("side: ad"));
}

TEST_CASE("mal over another way of sharing: gradients, sizes", "[model]") {
  const std::int64_t around = kTrunk + dense(kZ, 8) + dense(8, 7) + dense(5 * 5, 7)                       // PTP
                              + dense(7, 6) + dense(6, 5) + dense(5, 1);                                  // its head
  const auto towers = [](std::int64_t width) { return 4 * tower(width) + tower(width) + 15 * (5 + 1); };  // CAT: 16
  for (const std::string aka : {"mmoe", "ple", "home"}) {
    INFO(aka);
    ModelConfig config = smooth_config("mal");
    config.mal.aka = aka;
    check_gradients(config);
    SmallModel training(config), evaluation(config, 6, false);
    CHECK((training.logits() == evaluation.logits()) == (aka != "home"));
    CHECK(head_names(training.model).back() == "aka/cat");
    // CAT is home's third group.
    const std::int64_t home = 4 * home_expert(kZ) + 3 * (dense(kZ, 2) + dense(kZ, 1)) + dense(kZ, 4) + dense(kZ, 1) +
                              (1 + 3 + 5) * home_expert(6) + 5 * (dense(12, 3) + dense(12, 1));
    const std::int64_t shared =
        aka == "home"   ? home
        : aka == "mmoe" ? 3 * dense(kZ, 7) + 5 * dense(kZ, 3)
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

// The header and the trainer give the same probability: every model type, every kind of column, raw values in, any
// division of the columns between user and ad.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <functional>

#include "tests/inference/exported_model.h"
#include "train/metrics/sample.h"

namespace {

using namespace mal;
using test::ExportedModel;
using test::small_config;

const std::vector<std::vector<std::string>> kUserColumns = {
    {}, {"user", "tags", "item_seq"}, {"user", "item", "item_seq", "price"}, {"item", "scores"}, {"tags", "price"}};

struct Scores {
  std::vector<float> probability, logit, views, knowledge;
};

// Rows one by one (each is a user of its own), or all ads of the first row's user in one call.
Scores serve(const ExportedModel& exported, const infer::Model& model, const std::vector<std::string>& user_columns,
             std::int64_t row, std::int64_t ads) {
  infer::Scorer scorer = model.scorer();
  infer::Features user = model.features();
  std::vector<infer::Features> list(static_cast<std::size_t>(ads), model.features());
  exported.fill(user, row, user_columns, false);
  for (std::int64_t a = 0; a < ads; ++a) exported.fill(list[static_cast<std::size_t>(a)], row + a, user_columns, true);
  Scores scores;
  const auto n = static_cast<std::size_t>(ads);
  scores.probability.resize(n);
  scores.logit.resize(n);
  scores.views.resize(n * model.views().size());
  scores.knowledge.resize(n * model.knowledge_width());
  infer::Predictions out;
  out.probability = scores.probability.data();
  out.logit = scores.logit.data();
  out.views = scores.views.data();
  out.knowledge = scores.knowledge.data();
  if (!user_columns.empty()) scorer.set_user(user);
  scorer.predict(list.data(), n, out);
  return scores;
}

double difference(float logit, float other) {
  return std::abs(sigmoid(static_cast<double>(logit)) - sigmoid(static_cast<double>(other)));
}

void check_agreement(const ModelConfig& config) {
  INFO("model.type " << config.type);
  ExportedModel exported(config);
  const infer::Model model = infer::Model::load(exported.path);
  const std::vector<float> logits = exported.trained.logits();
  const auto width = static_cast<std::size_t>(exported.trained.graph.width(exported.trained.model.logits));
  double largest = 0, smallest = 1, highest = 0;
  for (const auto& user_columns : kUserColumns)
    for (std::int64_t row = 0; row < exported.trained.batch.rows; ++row) {
      const Scores served = serve(exported, model, user_columns, row, 1);
      const float* expected = logits.data() + static_cast<std::size_t>(row) * width;
      largest = std::max(largest, difference(served.logit[0], expected[0]));
      const double p = static_cast<double>(served.probability[0]);
      REQUIRE(std::abs(p - sigmoid(static_cast<double>(served.logit[0]))) < 1e-6);
      smallest = std::min(smallest, p);
      highest = std::max(highest, p);
      // Heads beside the primary: those of one logit, in the same order.
      std::size_t column = 1, view = 0;
      for (std::size_t h = 1; h < exported.trained.model.heads.size(); ++h) {
        const auto outputs =
            static_cast<std::size_t>(exported.trained.graph.width(exported.trained.model.heads[h].logits));
        if (outputs == 1) {
          REQUIRE(view < served.views.size());
          const double expected_p = sigmoid(static_cast<double>(expected[column]));
          largest = std::max(largest, std::abs(static_cast<double>(served.views[view++]) - expected_p));
        }
        column += outputs;
      }
      CHECK(view == served.views.size());
    }
  CHECK(largest <= 1e-6);
  CHECK(highest - smallest > 1e-3);  // rows differ: the comparison says something
}

TEST_CASE("header and trainer agree for every model type") {
  for (const std::string& type : model_types()) check_agreement(small_config(type));
}

// Every option of the trunk, each with the others at some value that is not their default.
std::vector<ModelConfig> trunks(const std::string& type) {
  std::vector<ModelConfig> list;
  const auto add = [&](const std::function<void(ModelConfig&)>& change) {
    list.push_back(small_config(type));
    change(list.back());
  };
  add([](ModelConfig& c) { c.layer_norm = false; });
  add([](ModelConfig& c) {
    c.interaction.softmax = true;
    c.interaction.din_hidden = 45;  // one full group of hidden units, and a rest
    c.embedding_dim = 9;
  });
  add([](ModelConfig& c) { c.interaction.attention = Attention::none, c.simtier.mode = SimTier::count; });
  add([](ModelConfig& c) { c.simtier.mode = SimTier::count, c.simtier.log1p = true, c.layer_norm = false; });
  add([](ModelConfig& c) { c.simtier.mode = SimTier::none; });
  add([](ModelConfig& c) {
    c.simtier.dim = 3;
    c.tower = {33, 18};  // no multiple of 16
    c.activation = kernels::Activation::none;
  });
  add([](ModelConfig& c) { c.interaction.attention = Attention::mha; });
  add([](ModelConfig& c) {
    c.interaction.attention = Attention::mha;
    c.interaction.heads = 3;
    c.embedding_dim = 27;  // more than one panel of keys, values and outputs, and no full one at the end
    c.layer_norm = false;
  });
  add([](ModelConfig& c) { c.senet.enabled = true; });
  add([](ModelConfig& c) { c.senet.enabled = true, c.senet.reduction = 3, c.layer_norm = false; });
  add([](ModelConfig& c) {
    c.senet.enabled = true;
    c.interaction.attention = Attention::mha;
    c.interaction.heads = 1;
    c.simtier.mode = SimTier::none;
  });
  return list;
}

TEST_CASE("header and trainer agree for every kind of trunk under every model type") {
  for (const std::string& type : model_types())
    for (const ModelConfig& config : trunks(type)) check_agreement(config);
}

// Equal values have no variance, and a mean that is all there is to them: nothing may be left of it.
TEST_CASE("header and trainer agree where all of the input is one large number") {
  ModelConfig config = small_config("base");
  config.interaction.attention = Attention::none;
  config.simtier.tiers = 1;
  config.simtier.dim = 24;
  const auto large = [](float& value) { value = 1000; };
  ExportedModel exported(config);
  for (EmbeddingTable& table : exported.trained.parameters.all_tables())
    for (std::int64_t r = 0; r < table.rows(); ++r) std::for_each_n(table.row(r), table.width(), large);
  for (Parameter& parameter : exported.trained.parameters.all_dense())
    if (parameter.name == "simtier/scores/tiers") std::ranges::for_each(parameter.value.span(), large);
  std::ranges::for_each(exported.trained.batch.columns[5].values, large);  // price
  exported.write(config, {});
  const infer::Model model = infer::Model::load(exported.path);
  const std::vector<float> logits = exported.trained.logits();
  const auto width = static_cast<std::size_t>(exported.trained.graph.width(exported.trained.model.logits));
  for (const auto& user_columns : kUserColumns)
    for (std::int64_t row = 0; row < exported.trained.batch.rows; ++row)
      CHECK(difference(serve(exported, model, user_columns, row, 1).logit[0],
                       logits[static_cast<std::size_t>(row) * width]) <= 1e-6);
}

TEST_CASE("header and trainer agree for every ablation of mal") {
  ModelConfig config = small_config("mal");
  config.mal.cat = false;
  check_agreement(config);
  config.mal.views = {"mta", "first"};
  config.primary = "first";
  check_agreement(config);
  for (const std::string& aka : aka_types()) {
    config.mal.aka = aka;
    check_agreement(config);
  }
  config.mal.aka = "shared_bottom";
  config.mal.head = {};
  config.mal.aka_bottom = {};
  check_agreement(config);
}

TEST_CASE("many ads in one call are the same as one by one") {
  std::vector<ModelConfig> configs;
  for (const std::string& type : model_types()) configs.push_back(small_config(type));
  for (const ModelConfig& trunk : trunks("base")) configs.push_back(trunk);
  for (const ModelConfig& config : configs) {
    INFO("model.type " << config.type);
    ExportedModel exported(config, {}, 230);  // several tiles, and a rest
    const infer::Model model = infer::Model::load(exported.path);
    const std::vector<std::string> user_columns = {"user", "tags", "item_seq"};
    const Scores all = serve(exported, model, user_columns, 0, 230);
    infer::Scorer scorer = model.scorer();
    infer::Features user = model.features(), ad = model.features();
    exported.fill(user, 0, user_columns, false);
    scorer.set_user(user);
    for (std::int64_t a = 0; a < 230; ++a) {
      exported.fill(ad, a, user_columns, true);
      REQUIRE(std::abs(scorer.predict(ad) - all.probability[static_cast<std::size_t>(a)]) < 1e-6F);
    }
  }
}

TEST_CASE("a file for the primary view alone gives the same probability") {
  for (const std::string& type : model_types()) {
    INFO("model.type " << type);
    ExportedModel exported(small_config(type));
    const infer::Model all = infer::Model::load(exported.path);
    const auto bytes = exported.bytes().size();
    exported.write(small_config(type), {WeightType::fp32, true});
    const infer::Model primary = infer::Model::load(exported.path);
    CHECK(primary.views().empty());
    CHECK(exported.bytes().size() <= bytes);
    if (exported.trained.model.heads.size() > 1) CHECK(exported.bytes().size() < bytes);
    for (std::int64_t row = 0; row < 10; ++row)
      CHECK(serve(exported, primary, {"user"}, row, 1).logit == serve(exported, all, {"user"}, row, 1).logit);
  }
}

TEST_CASE("rounded weights move probabilities a little, not more") {
  for (const WeightType weights : {WeightType::bf16, WeightType::int8}) {
    ExportedModel exported(small_config("mal"), {weights, false});
    const infer::Model model = infer::Model::load(exported.path);
    const std::vector<float> logits = exported.trained.logits();
    const auto width = static_cast<std::size_t>(exported.trained.graph.width(exported.trained.model.logits));
    double largest = 0;
    for (std::int64_t row = 0; row < exported.trained.batch.rows; ++row)
      largest = std::max(largest, difference(serve(exported, model, {"user"}, row, 1).logit[0],
                                             logits[static_cast<std::size_t>(row) * width]));
    CHECK(largest > 1e-6);
    CHECK(largest < 0.02);
  }
}

}  // namespace

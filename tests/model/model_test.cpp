#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>

#include "engine/error.h"
#include "tests/model/gradient_check.h"
#include "tests/model/small_model.h"

namespace {

using namespace mal;
using test::check_gradients;
using test::gradient_size;
using test::small_config;
using test::SmallModel;
using test::smooth_config;

}  // namespace

TEST_CASE("base: gradients of the whole network", "[model]") {
  check_gradients(smooth_config("base"));
}

TEST_CASE("mal: gradients of the whole network", "[model]") {
  check_gradients(smooth_config("mal"));
  check_gradients(small_config("mal"));
}

TEST_CASE("mal's ablations: gradients of the whole network", "[model]") {
  ModelConfig config = smooth_config("mal");
  SECTION("without CAT") {
    config.mal.cat = false;
  }
  SECTION("two views") {
    config.mal.views = {"mta", "last"};
  }
  SECTION("primary labels") {
    config.mal.view_labels = ViewLabels::primary;
  }
  SECTION("softmax attention, counted tiers, no layer norm") {
    config.interaction.softmax = true;
    config.simtier.mode = SimTier::count;
    config.layer_norm = false;
  }
  SECTION("no attention, no similarity scores") {
    config.interaction.attention = Attention::none;
    config.simtier.mode = SimTier::none;
  }
  check_gradients(config);
}

TEST_CASE("mal has the heads and layers of its formula", "[model]") {
  SmallModel m(small_config("mal"));
  REQUIRE(m.model.heads.size() == 6);
  CHECK(m.model.heads[0].name == "primary");
  CHECK(m.model.heads[3].name == "aka/linear");
  CHECK(m.model.heads[5].labels == std::vector<int>{0, 1, 2, 3});
  CHECK(m.graph.width(m.model.logits) == 1 + 4 + 16);
  // [user item tags] + attention + simtier + price
  const std::int64_t z = 3 * 4 + 4 + 4 + 1;
  CHECK(m.graph.width(m.model.z) == z);
  const auto dense = [](std::int64_t k, std::int64_t n) { return k * n + n; };
  const std::int64_t tower = dense(8, 6) + dense(6, 5);
  const std::int64_t expected = (4 * 4 * 3 + 3 * 3 + 1) + 4 + 2 * z            // attention, tiers, layer norm
                                + dense(z, 8) + 4 * (tower + dense(5, 1))      // AKA
                                + tower + dense(5, 16)                         // CAT
                                + dense(z, 8) + dense(8, 7) + dense(5 * 5, 7)  // PTP
                                + dense(7, 6) + dense(6, 5) + dense(5, 1);
  CHECK(m.parameters.dense_count() == expected);
}

TEST_CASE("detach_knowledge: PTP teaches AKA nothing", "[model]") {
  ModelConfig config = small_config("mal");
  config.mal.lambda_view = config.mal.lambda_cat = 0;
  SmallModel attached(config);
  attached.run();
  CHECK(gradient_size(attached, "aka/bottom") > 0);
  config.mal.detach_knowledge = true;
  SmallModel detached(config);
  detached.run();
  CHECK(gradient_size(detached, "aka/") == 0);
  CHECK(gradient_size(detached, "ptp/knowledge") > 0);
  CHECK(attached.logits() == detached.logits());
}

TEST_CASE("primary labels: the other views' credits change nothing", "[model]") {
  ModelConfig config = small_config("mal");
  config.mal.view_labels = ViewLabels::primary;
  SmallModel m(config);
  const double before = m.run();
  for (float& credit : m.batch.columns[static_cast<std::size_t>(*m.schema.find("mta"))].values) credit = 1 - credit;
  CHECK(m.run() == before);
  for (float& credit : m.batch.columns[static_cast<std::size_t>(*m.schema.find("last"))].values) credit = 1 - credit;
  CHECK(m.run() != before);
}

TEST_CASE("an evaluation graph gives the training graph's logits to the bit", "[model]") {
  for (const char* type : {"base", "mal"}) {
    SmallModel training(small_config(type), 6, true), evaluation(small_config(type), 6, false);
    CHECK(training.logits() == evaluation.logits());
  }
}

TEST_CASE("a row's logits do not depend on the rows beside it", "[model]") {
  SmallModel m(small_config("mal"), 6, false);
  const std::vector<float> all = m.logits();
  m.batch.rows = 2;
  const std::vector<float> some = m.logits();
  for (std::size_t i = 0; i < some.size(); ++i) CHECK(some[i] == Approx(all[i]).epsilon(1e-5).margin(1e-6));
}

TEST_CASE("steps lower the loss of a batch", "[model]") {
  SmallModel m(small_config("mal"), 64);
  DenseOptimizerConfig dense;
  SparseOptimizerConfig sparse;
  dense.learning_rate = sparse.learning_rate = 0.01;
  Optimizer optimizer(m.device, m.parameters, dense, sparse, {});
  const double before = m.run();
  for (int step = 0; step < 60; ++step) {
    m.run();
    optimizer.step(m.graph);
  }
  CHECK(m.run() < 0.7 * before);
}

TEST_CASE("a layer of an absurd size is refused before its memory is asked for", "[model]") {
  ModelConfig config = small_config("base");
  config.tower = {65'536, 65'536};
  CHECK_THROWS_WITH(SmallModel(config),
                    Catch::Contains("tower/1/weight") && Catch::Contains("4294967296 weights, 64 GiB"));
}

TEST_CASE("wrong configurations of a model are named", "[model]") {
  ModelConfig config = small_config("mall");
  CHECK_THROWS_WITH(SmallModel(config),
                    Catch::Contains("'mall' is not known") && Catch::Contains("base, shared_bottom"));
  config = small_config("base");
  config.primary = "lats";
  CHECK_THROWS_WITH(SmallModel(config),
                    Catch::Contains("model.primary") && Catch::Contains("last, first, linear, mta"));
  config = small_config("mal");
  config.mal.views = {"last", "position"};
  CHECK_THROWS_WITH(SmallModel(config), Catch::Contains("model.mal.views"));
}

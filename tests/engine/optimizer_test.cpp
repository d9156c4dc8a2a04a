#include "engine/optimizer.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "engine/error.h"

namespace {

using namespace mal;

struct Fixture {
  Fixture() : device(select_device("cpu", 1)), parameters(1), graph(device, 1, true) {
    parameter = &parameters.dense("w", {2}, Initialiser::constant(1));
    graph.plan();
  }

  // Weights after one step of plain gradient descent with the given gradient.
  std::vector<float> after_step(Optimizer& optimizer, float g0, float g1) {
    parameter->gradient.data()[0] = g0;
    parameter->gradient.data()[1] = g1;
    optimizer.step(graph);
    return {parameter->value.data()[0], parameter->value.data()[1]};
  }

  Device device;
  Parameters parameters;
  Graph graph;
  Parameter* parameter;
};

DenseOptimizerConfig plain_sgd() {
  DenseOptimizerConfig config;
  config.rule = kernels::DenseRule::sgd;
  config.learning_rate = 0.1;
  return config;
}

}  // namespace

TEST_CASE("the schedule: linear warm-up, then constant or cosine", "[optimizer]") {
  Fixture f;
  const Optimizer constant(f.device, f.parameters, {}, {}, {Schedule::constant, 4, 0, 0});
  CHECK(constant.rate_factor(1) == Approx(0.25));
  CHECK(constant.rate_factor(4) == Approx(1));
  CHECK(constant.rate_factor(1000) == Approx(1));
  const Optimizer cosine(f.device, f.parameters, {}, {}, {Schedule::cosine, 10, 110, 0});
  CHECK(cosine.rate_factor(5) == Approx(0.5));
  CHECK(cosine.rate_factor(11) == Approx(1));
  CHECK(cosine.rate_factor(61) == Approx(0.5));
  CHECK(cosine.rate_factor(110) > 0);
  CHECK(cosine.rate_factor(110) < 0.001);
  CHECK(cosine.rate_factor(5000) > 0);
}

TEST_CASE("gradients are clipped by their global norm", "[optimizer]") {
  Fixture f;
  ScheduleConfig schedule;
  schedule.clip_norm = 1;
  Optimizer optimizer(f.device, f.parameters, plain_sgd(), {}, schedule);
  const auto weights = f.after_step(optimizer, 3, 4);
  CHECK(optimizer.gradient_norm() == Approx(5));
  CHECK(weights[0] == Approx(1 - 0.1 * 0.6));
  CHECK(weights[1] == Approx(1 - 0.1 * 0.8));
  const auto next = f.after_step(optimizer, 0.3F, 0.4F);
  CHECK(next[0] == Approx(1 - 0.06 - 0.03));
}

TEST_CASE("a gradient that is not finite reaches no parameter", "[optimizer]") {
  Fixture f;
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    Optimizer optimizer(f.device, f.parameters, plain_sgd(), {}, {});
    CHECK_THROWS_WITH(f.after_step(optimizer, 1, bad), Catch::Contains("step 1 is not finite"));
    CHECK(f.parameter->value.data()[0] == 1);
    CHECK(f.parameter->value.data()[1] == 1);
    CHECK(optimizer.steps() == 0);
  }
}

TEST_CASE("the initial accumulator is Σ g², of every sparse rule that has one", "[optimizer]") {
  for (const auto rule :
       {kernels::SparseRule::adagrad, kernels::SparseRule::rowwise_adagrad, kernels::SparseRule::ftrl}) {
    const Device device = select_device("cpu", 1);
    SparseOptimizerConfig sparse;
    sparse.rule = rule;
    sparse.initial_accumulator = 0.25;
    Parameters parameters(1, [&](std::int32_t width) { return sparse_state_width(device, sparse, width); });
    const EmbeddingTable& table = parameters.table("t", 3, 2, 0.1F);
    const Optimizer optimizer(device, parameters, {}, sparse, {});
    const float* state = table.row(2) + table.width();
    const std::vector<float> found(state, state + table.state_width());
    if (rule == kernels::SparseRule::adagrad) CHECK(found == std::vector<float>{0.25F, 0.25F});
    if (rule == kernels::SparseRule::rowwise_adagrad) CHECK(found == std::vector<float>{0.25F});
    if (rule == kernels::SparseRule::ftrl) CHECK(found == std::vector<float>{0, 0, 0.25F, 0.25F});  // z, then n
  }
}

// Every model and option against the oracle, an independent implementation in PyTorch (README.md beside this file).
// `oracle_tests -c mal_without_cat` runs one golden file.
#include <catch2/catch.hpp>
#include <cmath>
#include <set>

#include "model/registry.h"
#include "tests/oracle/golden_model.h"
#include "tests/support/bf16_kernels.h"
#include "tests/support/rounded_layers.h"

namespace {

using namespace mal;
using test::GoldenFile;
using test::GoldenHead;
using test::GoldenModel;
using test::GoldenParameter;
using test::GoldenRun;

// A number may differ from the oracle's by relative · |oracle's| + of_largest · (largest of its tensor) + absolute.
struct Tolerance {
  double relative, of_largest, absolute;
};
constexpr Tolerance kForward = {1e-5, 0, 1e-5};
constexpr Tolerance kGradient = {1e-4, 1e-5, 1e-7};
// In bf16, whose operands are rounded by up to 2⁻⁸ of them.
constexpr Tolerance kBf16 = {0, 0.04, 1e-3};
// Between two ways to sum in bf16, where now and then an operand rounds the other way.
constexpr Tolerance kBf16Forward = {0, 1e-4, 1e-6}, kBf16Gradient = {0, 3e-3, 1e-7};
// Of a weight's change: a tenth of a per cent of the weight itself would hide an error in a slow run.
constexpr Tolerance kChange = {1e-3, 1e-3, 1e-6};

constexpr Tolerance kTrained = {1e-3, 1e-3, 1e-5};

double largest(const float* values, std::int64_t count) {
  double most = 0;
  for (std::int64_t i = 0; i < count; ++i) most = std::max(most, std::abs(static_cast<double>(values[i])));
  return most;
}

std::string place(std::int64_t index, const std::vector<std::int64_t>& shape) {
  if (shape.size() < 2) return fmt::format("[{}]", index);
  return fmt::format("[{}, {}]", index / shape[1], index % shape[1]);
}

// One tensor; a failure names the element that is furthest off.
void compare(const std::string& what, const std::vector<std::int64_t>& shape, const float* mine, const float* oracle,
             std::int64_t count, const Tolerance& tolerance, double scale) {
  double worst = 0;
  std::int64_t at = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const double allowed = tolerance.relative * std::abs(static_cast<double>(oracle[i])) +
                           tolerance.of_largest * scale + tolerance.absolute;
    const double difference = std::abs(static_cast<double>(mine[i]) - static_cast<double>(oracle[i]));
    const double part = std::isfinite(difference) ? difference / allowed : INFINITY;
    if (part > worst) {
      worst = part;
      at = i;
    }
  }
  if (worst > 1)
    FAIL_CHECK(fmt::format("{} {} is {:.9g}; the oracle's is {:.9g}; {:.3g} times the difference that is allowed", what,
                           place(at, shape), mine[at], oracle[at], worst));
  else
    SUCCEED();
}

void compare(const std::string& what, const std::vector<std::int64_t>& shape, const std::vector<float>& mine,
             const std::vector<float>& oracle, const Tolerance& tolerance) {
  INFO(what);
  REQUIRE(mine.size() == oracle.size());
  const auto count = static_cast<std::int64_t>(oracle.size());
  compare(what, shape, mine.data(), oracle.data(), count, tolerance, largest(oracle.data(), count));
}

void compare_gradients(const GoldenFile& golden, const std::vector<float>& mine, const std::vector<float>& oracle,
                       const Tolerance& tolerance) {
  REQUIRE(mine.size() == oracle.size());
  std::int64_t at = 0;
  for (const GoldenParameter& parameter : golden.parameters) {
    if (parameter.kind == "running") continue;
    compare("gradient of " + parameter.name, parameter.shape, mine.data() + at, oracle.data() + at, parameter.size,
            tolerance, largest(oracle.data() + at, parameter.size));
    at += parameter.size;
  }
}

// How far each weight has moved since the start.
void compare_changes(const GoldenFile& golden, const std::string& when, const std::vector<float>& mine,
                     const std::vector<float>& oracle) {
  const std::vector<float> start = golden.floats("weights");
  REQUIRE(mine.size() == oracle.size());
  REQUIRE(mine.size() == start.size());
  std::vector<float> change(oracle.size());
  for (std::size_t i = 0; i < change.size(); ++i) change[i] = oracle[i] - start[i];
  std::int64_t at = 0;
  for (const GoldenParameter& parameter : golden.parameters) {
    // The tolerance is of the change alone, so an untouched row must keep its weights but for `absolute`.
    Tolerance tolerance = kChange;
    tolerance.relative = 0;
    compare(fmt::format("{}: {}", when, parameter.name), parameter.shape, mine.data() + at, oracle.data() + at,
            parameter.size, tolerance, largest(change.data() + at, parameter.size));
    at += parameter.size;
  }
}

void compare_heads(const GoldenFile& golden, const GoldenModel& model) {
  const std::vector<Head>& heads = model.network.model.heads;
  REQUIRE(heads.size() == golden.heads.size());
  for (std::size_t h = 0; h < heads.size(); ++h) {
    CHECK(heads[h].name == golden.heads[h].name);
    CHECK(model.network.graph.width(heads[h].logits) == golden.heads[h].width);
    CHECK(heads[h].scale == Approx(golden.heads[h].scale));
  }
}

std::vector<std::int64_t> logit_shape(const GoldenFile& golden) {
  std::int64_t width = 0;
  for (const GoldenHead& head : golden.heads) width += head.width;
  return {golden.rows(), width};
}

void check_one_batch(const GoldenFile& golden) {
  GoldenModel model(golden, true);
  INFO("names and shapes:" << model.differences());
  REQUIRE(model.differences().empty());
  compare_heads(golden, model);
  model.set_weights();

  const Batch batch = golden.batch(0, golden.rows());
  const std::vector<std::int64_t> shape = logit_shape(golden);
  compare("evaluation logits", shape, model.evaluation_logits(batch), golden.floats("logits"), kForward);
  compare("training logits", shape, model.logits(batch), golden.floats("training_logits"), kForward);

  model.network.backward(batch.rows);
  const std::vector<double> all = model.network.losses();
  const std::vector<float> losses(all.begin(), all.end());
  compare("losses", {}, losses, golden.floats("losses"), kForward);
  compare_gradients(golden, model.gradients(), golden.floats("gradients"), kGradient);
}

struct Pass {
  std::vector<float> evaluation_logits, logits, losses, gradients;
};
Pass pass_with(const GoldenFile& golden, const kernels::KernelTable& kernels) {
  GoldenModel model(golden, true, nullptr, &kernels);
  REQUIRE(model.differences().empty());
  model.set_weights();
  const Batch batch = golden.batch(0, golden.rows());
  Pass pass{model.evaluation_logits(batch), model.logits(batch), {}, {}};
  model.network.backward(batch.rows);
  const std::vector<double> losses = model.network.losses();
  pass.losses.assign(losses.begin(), losses.end());
  pass.gradients = model.gradients();
  return pass;
}

// What rounding costs is seen in logits and losses alone: elements of a gradient are anything where others cancel, or
// where a ReLU's input is next to zero. Beside fp32 kernels with rounded operands all must agree.
void check_bf16(const GoldenFile& golden, const Pass& rounded, const Pass& mine) {
  const std::vector<std::int64_t> shape = logit_shape(golden);
  compare("evaluation logits", shape, mine.evaluation_logits, golden.floats("logits"), kBf16);
  compare("training logits", shape, mine.logits, golden.floats("training_logits"), kBf16);
  compare("losses", {}, mine.losses, golden.floats("losses"), kBf16);
  compare("rounded: evaluation logits", shape, mine.evaluation_logits, rounded.evaluation_logits, kBf16Forward);
  compare("rounded: training logits", shape, mine.logits, rounded.logits, kBf16Forward);
  compare("rounded: losses", {}, mine.losses, rounded.losses, kBf16Forward);
  compare_gradients(golden, mine.gradients, rounded.gradients, kBf16Gradient);
}

void check_run(const GoldenFile& golden, const GoldenRun& run) {
  GoldenModel model(golden, true, &run);
  REQUIRE(model.differences().empty());
  Optimizer optimizer(model.device, model.parameters, model.config.dense, model.config.sparse, model.config.schedule);
  model.set_weights();
  for (int step = 1; step <= run.snapshots.back(); ++step) {
    const auto [first, count] = golden.windows[static_cast<std::size_t>(step - 1) % golden.windows.size()];
    const Batch batch = golden.batch(first, count);
    model.network.forward(batch);
    model.network.backward(batch.rows);
    optimizer.step(model.network.graph);
    if (std::ranges::find(run.snapshots, step) != run.snapshots.end())
      compare_changes(golden, fmt::format("{}, after step {}", run.name, step), model.weights(),
                      golden.floats(fmt::format("after/{}/{}", run.name, step)));
  }
  compare(fmt::format("{}, evaluation logits at the end", run.name), logit_shape(golden),
          model.evaluation_logits(golden.batch(0, golden.rows())), golden.floats("logits/" + run.name), kTrained);
}

}  // namespace

TEST_CASE("logits, losses and gradients are the oracle's", "[oracle]") {
  const std::string path = GENERATE(from_range(test::golden_files()));
  const GoldenFile golden(path);
  DYNAMIC_SECTION(golden.name) {
    check_one_batch(golden);
  }
}

TEST_CASE("in bf16 all but the rounding of operands is the oracle's", "[oracle][bf16]") {
  const std::string path = GENERATE(from_range(test::golden_files()));
  const GoldenFile golden(path);
  const Pass rounded = pass_with(golden, test::rounded_layers::kernels_with());
  for (const test::Bf16Kernels& each : test::bf16_kernels_of(kernels::cpu_variant())) {
    INFO(golden.name << ", " << each.name);
    check_bf16(golden, rounded, pass_with(golden, *each.table));
  }
}

TEST_CASE("weights after the steps of each optimiser are the oracle's", "[oracle]") {
  const std::string path = GENERATE(from_range(test::golden_files()));
  const GoldenFile golden(path);
  DYNAMIC_SECTION(golden.name) {
    for (const GoldenRun& run : golden.runs) check_run(golden, run);
  }
}

TEST_CASE("every model type, and every way of sharing in mal, has a golden file", "[oracle]") {
  std::set<std::string> types, aka;
  for (const std::string& path : test::golden_files()) {
    const GoldenFile golden(path);
    const ModelConfig model = parse_run_config_text(golden.config, golden.name, {}).model;
    types.insert(model.type);
    if (model.type == "mal") aka.insert(model.mal.aka);
  }
  INFO("add a case to tests/oracle/mal_oracle/cases.py and run scripts/golden.sh");
  for (const std::string& type : model_types()) {
    INFO("model.type " << type);
    CHECK(types.contains(type));
  }
  for (const std::string& type : aka_types()) {
    INFO("model.mal.aka " << type);
    CHECK(aka.contains(type));
  }
}

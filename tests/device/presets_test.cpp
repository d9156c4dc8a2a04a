// Training of every preset on the device beside the CPU, with its own model, schema and optimiser: a case each, so that
// a GPU can run them one by one. 30 steps on a GPU; 3 in emulation, where a step takes seconds.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <iterator>

#include "tests/device/emulated_training.h"
#include "tests/device/presets.h"

namespace mal::test::presets {

constexpr std::int64_t kMostRows = 8;

// The device has two blocks of inputs in turn, and records and replays a step when a block has its rows for the second
// time: the third. Later the sizes go through all blocks.
std::int64_t rows_of(std::int64_t step) {
  return (step < 6 ? step % 2 == 1 : step % 3 == 2) ? 5 : kMostRows;
}

struct Run {
  Run(const Device& on, const RunConfig& config, const Schema& schema_of_preset)
      : device(on),
        schema(schema_of_preset),
        parameters(
            config.seed, [&](std::int32_t width) { return sparse_state_width(device, config.sparse, width); },
            device.memory),
        network(device, parameters, schema, config.model, kMostRows, true, config.train.reduction,
                config.train.multi_task, config.seed),
        optimizer(device, parameters, config.dense, config.sparse, config.schedule),
        pipeline(network, optimizer) {}

  void train(std::int64_t steps) {
    for (std::int64_t step = 0; step < steps; ++step) {
      pipeline.step(small_batch(schema, rows_of(step), 100 + static_cast<std::uint64_t>(step)), 0);
      while (const auto result = pipeline.next_result(pipeline.full())) results.push_back(*result);
    }
    while (const auto result = pipeline.next_result(true)) results.push_back(*result);
  }

  Device device;
  Schema schema;
  Parameters parameters;
  Network network;
  Optimizer optimizer;
  StepPipeline pipeline;
  std::vector<StepResult> results;
};

void compare_results(const Run& there, const Run& here) {
  REQUIRE(there.results.size() == here.results.size());
  for (std::size_t i = 0; i < here.results.size(); ++i) {
    INFO("step " << i + 1);
    const StepResult &got = there.results[i], &want = here.results[i];
    CHECK(got.finite);
    CHECK(got.rows == rows_of(static_cast<std::int64_t>(i)));
    const double grown = 1 + static_cast<double>(i);  // differences of rounding, which training multiplies
    CHECK(got.gradient_norm == Approx(want.gradient_norm).epsilon(1e-3 * grown));
    REQUIRE(got.losses.size() == want.losses.size());
    for (std::size_t h = 0; h < want.losses.size(); ++h)
      CHECK(got.losses[h] == Approx(want.losses[h]).epsilon(1e-4 * grown).margin(1e-6));
  }
}

void check(const std::string& name) {
  TestDevice gpu;
  const std::int64_t steps = gpu.real ? 30 : 3;
  RunConfig config = preset_config(name);
  // Adam divides by √v: of a gradient that is 0 but for rounding a small epsilon makes steps of full size.
  config.dense.epsilon = config.sparse.epsilon = 1e-3;
  config.schedule.total_steps = steps;
  const Schema schema = preset_schema(name, 3000);
  Run there(gpu.device, config, schema), here(cpu_device(), config, schema);
  const Weights start = weights_of(here.parameters);
  there.train(steps);
  here.train(steps);
  REQUIRE(static_cast<std::int64_t>(here.results.size()) == steps);
  compare_results(there, here);
  const Weights got = weights_of(there.parameters), want = weights_of(here.parameters);
  CHECK(mismatch(start, got, want) == "");
  CHECK(want[0].second != start[0].second);
  if (!gpu.real && config.train.multi_task == MultiTask::none) CHECK(gpu.runtime->replays > 0);
}

TEST_CASE("preset adatt: 30 steps on the device as on the CPU", "[device][presets]") {
  check("adatt");
}
TEST_CASE("preset base: 30 steps on the device as on the CPU", "[device][presets]") {
  check("base");
}
TEST_CASE("preset criteo: 30 steps on the device as on the CPU", "[device][presets]") {
  check("criteo");
}
TEST_CASE("preset criteo_journeys: 30 steps on the device as on the CPU", "[device][presets]") {
  check("criteo_journeys");
}
TEST_CASE("preset home: 30 steps on the device as on the CPU", "[device][presets]") {
  check("home");
}
TEST_CASE("preset mac: 30 steps on the device as on the CPU", "[device][presets]") {
  check("mac");
}
TEST_CASE("preset mal: 30 steps on the device as on the CPU", "[device][presets]") {
  check("mal");
}
TEST_CASE("preset mmoe: 30 steps on the device as on the CPU", "[device][presets]") {
  check("mmoe");
}
TEST_CASE("preset moae: 30 steps on the device as on the CPU", "[device][presets]") {
  check("moae");
}
TEST_CASE("preset natal: 30 steps on the device as on the CPU", "[device][presets]") {
  check("natal");
}
TEST_CASE("preset ple: 30 steps on the device as on the CPU", "[device][presets]") {
  check("ple");
}
TEST_CASE("preset shared_bottom: 30 steps on the device as on the CPU", "[device][presets]") {
  check("shared_bottom");
}
TEST_CASE("preset taobao: 30 steps on the device as on the CPU", "[device][presets]") {
  check("taobao");
}

TEST_CASE("every preset is trained on the device", "[device]") {
  std::ifstream file(MAL_TEST_DATA "/../device/presets_test.cpp");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const auto names = preset_names();
  CHECK(names.size() > 10);
  for (const std::string& name : names) {
    INFO("a TEST_CASE for train/configs/" << name << ".yaml");
    CHECK(text.find("CASE(\"preset " + name + ": 30 steps on the device as on the CPU\"") != std::string::npos);
    CHECK(text.find("  check(\"" + name + "\");") != std::string::npos);
  }
}

}  // namespace mal::test::presets

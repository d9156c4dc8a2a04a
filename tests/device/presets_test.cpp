// Training of every preset on the device beside the CPU, with its own model, schema and optimiser: a case each, so that
// a GPU can run them one by one. 30 steps on a GPU; in emulation, where the updates of a million weights take half a
// second, 5.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <iterator>

#include "tests/device/emulated_training.h"
#include "tests/device/presets.h"

namespace mal::test::presets {

constexpr std::int64_t kMostRows = 8;

// The device has two blocks of inputs in turn, and records a step when a block has its rows for the second time: the
// fifth step is replayed. Later the sizes go through all blocks.
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

// What is different by more than the oracle tests allow of weights that were trained, or nothing.
std::string mismatch(const std::string& name, const std::vector<float>& got, const std::vector<float>& want) {
  if (got.size() != want.size()) return name + " has another size";
  double largest = 0;
  for (const float value : want) largest = std::max(largest, std::abs(static_cast<double>(value)));
  for (std::size_t i = 0; i < got.size(); ++i) {
    const auto x = static_cast<double>(got[i]), y = static_cast<double>(want[i]);
    if (!(std::abs(x - y) <= 1e-3 * std::abs(y) + 1e-3 * largest + 1e-5))
      return fmt::format("{}[{}] is {}, not {}", name, i, x, y);
  }
  return "";
}

std::vector<float> weights_of(const EmbeddingTable& table) {
  std::vector<float> values;
  table.buffer().read(table.row_bytes(), [&](std::int64_t, std::int64_t rows, const std::byte* data) {
    for (std::int64_t r = 0; r < rows; ++r) {
      const float* row = reinterpret_cast<const float*>(data) + r * table.row_stride();
      values.insert(values.end(), row, row + table.width());
    }
  });
  return values;
}

void compare(const Run& there, const Run& here) {
  REQUIRE(there.results.size() == here.results.size());
  for (std::size_t i = 0; i < here.results.size(); ++i) {
    INFO("step " << i + 1);
    const StepResult &got = there.results[i], &want = here.results[i];
    CHECK(got.finite);
    CHECK(got.rows == rows_of(static_cast<std::int64_t>(i)));
    CHECK(got.gradient_norm == Approx(want.gradient_norm).epsilon(1e-3));
    REQUIRE(got.losses.size() == want.losses.size());
    for (std::size_t h = 0; h < want.losses.size(); ++h)
      CHECK(got.losses[h] == Approx(want.losses[h]).epsilon(1e-4).margin(1e-6));
  }
  const Parameters &a = there.parameters, &b = here.parameters;
  for (std::size_t i = 0; i < b.all_dense().size(); ++i)
    CHECK(mismatch(b.all_dense()[i].name, a.all_dense()[i].value.read(), b.all_dense()[i].value.read()) == "");
  for (std::size_t i = 0; i < b.all_states().size(); ++i)
    CHECK(mismatch(b.all_states()[i].name, a.all_states()[i].value.read(), b.all_states()[i].value.read()) == "");
  for (std::size_t i = 0; i < b.all_tables().size(); ++i)
    CHECK(mismatch(b.all_tables()[i].name(), weights_of(a.all_tables()[i]), weights_of(b.all_tables()[i])) == "");
}

void check(const std::string& name) {
  TestDevice gpu;
  const std::int64_t steps = gpu.real ? 30 : 5;
  RunConfig config = preset_config(name);
  // Adam divides by √v: of a gradient that is 0 but for rounding a small epsilon makes steps of full size.
  config.dense.epsilon = config.sparse.epsilon = 1e-3;
  config.schedule.total_steps = steps;
  const Schema schema = preset_schema(name, 3000);
  Run there(gpu.device, config, schema), here(cpu_device(), config, schema);
  const std::vector<float> before = here.parameters.all_dense()[0].value.read();
  there.train(steps);
  here.train(steps);
  REQUIRE(static_cast<std::int64_t>(here.results.size()) == steps);
  compare(there, here);
  CHECK(here.parameters.all_dense()[0].value.read() != before);
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

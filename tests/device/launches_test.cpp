// How many kernels, library calls and copies one recorded step of each preset is: the nodes of its CUDA graph.
#include <catch2/catch.hpp>
#include <cstdio>
#include <filesystem>

#include "tests/device/emulated_training.h"
#include "train/config/run_config.h"
#include "train/data/schema_yaml.h"

namespace mal::test::launches {

// The schema that a preset is made for.
std::string schema_of(const std::string& preset) {
  for (const char* schema : {"criteo_journeys", "criteo", "taobao", "mac"})
    if (preset == schema) return schema;
  return "simulated";
}

std::int64_t launches_of_a_step(const RunConfig& config, Schema schema) {
  for (TableSpec& table : schema.tables) table.rows = 50;
  TestDevice gpu;
  Parameters parameters(
      1, [&](std::int32_t width) { return sparse_state_width(gpu.device, config.sparse, width); }, gpu.device.memory);
  Network network(gpu.device, parameters, schema, config.model, 8, true);
  Optimizer optimizer(gpu.device, parameters, config.dense, config.sparse, config.schedule);
  StepPipeline pipeline(network, optimizer);
  std::int64_t before = 0;
  for (std::uint64_t step = 0; step < 5; ++step) {  // the last one is replayed
    before = kernels::emulated_launches();
    pipeline.step(small_batch(schema, 8, step), 0);
  }
  CHECK(gpu.runtime->recordings == 2);
  const std::int64_t launches = kernels::emulated_launches() - before;
  const auto result = pipeline.next_result(true);
  CHECK((result && result->finite));
  return launches;
}

TEST_CASE("a recorded step has no more nodes than it had", "[device]") {
  if (TestDevice().real) return;  // counted in emulation
  std::int64_t presets = 0;
  for (const auto& entry : std::filesystem::directory_iterator(MAL_CONFIGS)) {
    if (entry.path().extension() != ".yaml") continue;
    const std::string name = entry.path().stem().string();
    const std::int64_t launches =
        launches_of_a_step(parse_run_config(entry.path().string(), {}), read_schema(schema_of(name)));
    std::printf("launches of a step: %-16s %lld\n", name.c_str(), static_cast<long long>(launches));
    INFO(name);
    CHECK(launches > 10);
    if (name == "mal") CHECK(launches <= 111);  // the goal is 60 (docs/results/gpu.md)
    ++presets;
  }
  CHECK(presets >= 12);
}

}  // namespace mal::test::launches

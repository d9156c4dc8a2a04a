// How many kernels, library calls and copies one recorded step of each preset is: the nodes of its CUDA graph.
// MAL_LIST_LAUNCHES=mal prints by name what that preset's are.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "tests/device/emulated_training.h"
#include "tests/device/presets.h"

namespace mal::test::launches {

// What a step of each preset has had; docs/results/gpu.md shows them.
struct Preset {
  const char* name;
  std::size_t launches;
};
constexpr Preset kPresets[] = {{"adatt", 40}, {"base", 26},  {"criteo", 24}, {"criteo_journeys", 25},
                               {"home", 143}, {"mac", 28},   {"mal", 28},    {"mmoe", 30},
                               {"moae", 90},  {"natal", 45}, {"ple", 39},    {"shared_bottom", 30},
                               {"taobao", 26}};

// More rows together than two passes of the sort over eight bits tell apart, and fewer than three do: 65 536 to 16
// million, as most data sets have.
constexpr std::int64_t kLargeTable = 70'000;

std::vector<std::string> launches_of_a_step(const RunConfig& config, const Schema& schema) {
  const emulation::CountedLaunches no_numbers;
  TestDevice gpu;
  Parameters parameters(
      1, [&](std::int32_t width) { return sparse_state_width(gpu.device, config.sparse, width); }, gpu.device.memory);
  Network network(gpu.device, parameters, schema, config.model, 8, true);
  Optimizer optimizer(gpu.device, parameters, config.dense, config.sparse, config.schedule);
  StepPipeline pipeline(network, optimizer);
  std::vector<std::string> launches;
  for (std::uint64_t step = 0; step < 5; ++step) {
    if (step == 4) kernels::log_emulated_launches(&launches);  // it is replayed
    pipeline.step(small_batch(schema, 8, step), 0);
  }
  kernels::log_emulated_launches(nullptr);
  CHECK(gpu.runtime->recordings == 2);
  CHECK(pipeline.next_result(true));
  return launches;
}

void list(const std::string& preset, const std::vector<std::string>& launches) {
  const char* wanted = std::getenv("MAL_LIST_LAUNCHES");
  if (wanted == nullptr || preset != wanted) return;
  std::map<std::string, int> counts;
  for (const std::string& launch : launches) ++counts[launch];
  for (const auto& [name, count] : counts) std::printf("  %3d  %s\n", count, name.c_str());
}

TEST_CASE("a recorded step has no more nodes than it had", "[device]") {
  if (TestDevice().real) return;  // counted in emulation
  std::size_t presets = 0;
  for (const std::string& name : preset_names()) {
    const std::vector<std::string> launches = launches_of_a_step(preset_config(name), preset_schema(name, kLargeTable));
    std::printf("launches of a step: %-16s %zu\n", name.c_str(), launches.size());
    list(name, launches);
    INFO(name);
    const auto* const known = std::ranges::find(kPresets, name, &Preset::name);
    REQUIRE(known != std::end(kPresets));
    CHECK(launches.size() == known->launches);
    if (name == "mal" || name == "mac") CHECK(launches.size() <= 30);  // the goal of docs/results/gpu.md
    ++presets;
  }
  CHECK(presets == std::size(kPresets));
}

}  // namespace mal::test::launches

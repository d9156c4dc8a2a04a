// A small model of any type with its optimiser and its pipeline of steps, on the CPU or on the emulated device.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "engine/error.h"
#include "engine/optimizer.h"
#include "tests/device/emulated_device.h"
#include "tests/model/small_model.h"
#include "train/trainer/network.h"
#include "train/trainer/step_pipeline.h"

namespace mal::test {

inline Device cpu_device() {
  return {"cpu", "", &kernels::cpu_kernels(), kernels::cpu_runtime()};
}

struct Training {
  Training(const Device& on, const ModelConfig& config, std::int64_t most_rows, MultiTask multi_task = MultiTask::none)
      : device(on),
        schema(small_schema()),
        parameters(
            3, [&](std::int32_t width) { return sparse_state_width(device, {}, width); }, device.memory),
        network(device, parameters, schema, config, most_rows, true, kernels::Reduction::mean, multi_task, 3),
        optimizer(device, parameters, dense(), sparse(), schedule()),
        pipeline(network, optimizer) {}

  // Adam divides by √v: of a gradient that is 0 but for rounding (the score's bias under a softmax) a small epsilon
  // makes steps of full size.
  static DenseOptimizerConfig dense() {
    DenseOptimizerConfig config;
    config.learning_rate = 0.02;
    config.epsilon = 1e-3;
    return config;
  }
  static SparseOptimizerConfig sparse() {
    SparseOptimizerConfig config;
    config.learning_rate = 0.02;
    config.epsilon = 1e-3;
    return config;
  }
  static ScheduleConfig schedule() {
    ScheduleConfig schedule;
    schedule.warmup_steps = 2;  // every step has constants of its own
    schedule.clip_norm = 0.5;
    return schedule;
  }

  // The batch is spoilt as soon as its step is asked for.
  void step(std::int64_t rows, std::uint64_t seed) {
    Batch batch = small_batch(schema, rows, seed);
    pipeline.step(batch, 0);
    if (!network.stage.reads_batch()) batch = small_batch(schema, rows, seed + 1000);
    take();
  }
  void take() {
    while (const auto result = pipeline.next_result(pipeline.full())) results.push_back(*result);
  }
  void finish() {
    while (const auto result = pipeline.next_result(true)) results.push_back(*result);
  }

  // Every weight by name, tables without their state.
  std::vector<std::pair<std::string, std::vector<float>>> weights() const {
    std::vector<std::pair<std::string, std::vector<float>>> all;
    for (const Parameter& parameter : parameters.all_dense()) all.emplace_back(parameter.name, parameter.value.read());
    for (const State& state : parameters.all_states()) all.emplace_back(state.name, state.value.read());
    for (const EmbeddingTable& table : parameters.all_tables()) {
      auto& values = all.emplace_back(table.name(), std::vector<float>{}).second;
      table.buffer().read(table.row_bytes(), [&](std::int64_t, std::int64_t rows, const std::byte* data) {
        for (std::int64_t r = 0; r < rows; ++r) {
          const float* row = reinterpret_cast<const float*>(data) + r * table.row_stride();
          values.insert(values.end(), row, row + table.width());
        }
      });
    }
    return all;
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
inline std::string weights_mismatch(const Training& mine, const Training& other) {
  const auto a = mine.weights(), b = other.weights();
  if (a.size() != b.size()) return "another number of tensors";
  for (std::size_t t = 0; t < a.size(); ++t) {
    if (a[t].first != b[t].first || a[t].second.size() != b[t].second.size()) return a[t].first + " is another tensor";
    double largest = 0;
    for (const float value : b[t].second) largest = std::max(largest, std::abs(static_cast<double>(value)));
    for (std::size_t i = 0; i < a[t].second.size(); ++i) {
      const auto x = static_cast<double>(a[t].second[i]), y = static_cast<double>(b[t].second[i]);
      if (!(std::abs(x - y) <= 1e-3 * std::abs(y) + 1e-3 * largest + 1e-5))
        return fmt::format("{}[{}] is {} and {}", a[t].first, i, x, y);
    }
  }
  return "";
}

}  // namespace mal::test

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
  return {"cpu", "", &kernels::cpu_kernels(), kernels::cpu_runtime(), ""};
}

// Tensors by name: layers, running statistics, tables without their state.
using Weights = std::vector<std::pair<std::string, std::vector<float>>>;

inline Weights weights_of(const Parameters& parameters) {
  Weights all;
  for (const Parameter& each : parameters.all_dense()) all.emplace_back(each.name, each.value.read());
  for (const State& each : parameters.all_states()) all.emplace_back(each.name, each.value.read());
  for (const EmbeddingTable& table : parameters.all_tables()) {
    std::vector<float>& values = all.emplace_back(table.name(), std::vector<float>{}).second;
    table.buffer().read(table.row_bytes(), [&](std::int64_t, std::int64_t rows, const std::byte* data) {
      for (std::int64_t r = 0; r < rows; ++r) {
        const float* row = reinterpret_cast<const float*>(data) + r * table.row_stride();
        values.insert(values.end(), row, row + table.width());
      }
    });
  }
  return all;
}

// What is wrong with how a tensor moved from `start`, or nothing. Both devices round in their own way, and a unit whose
// input is zero but for that opens on one and stays shut on the other, which a batch of eight rows does not hide. So
// the movements are compared as wholes; and no weight may stand still that moved on the CPU.
inline std::string mismatch(const std::string& name, const std::vector<float>& start, const std::vector<float>& got,
                            const std::vector<float>& want) {
  if (got.size() != want.size()) return name + " has another size";
  double moved = 0, apart = 0, size = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    const auto from = static_cast<double>(start[i]), x = static_cast<double>(got[i]), y = static_cast<double>(want[i]);
    moved += (y - from) * (y - from);
    apart += (x - y) * (x - y);
    size += y * y;
  }
  if (!(std::sqrt(apart) <= 0.05 * std::sqrt(moved) + 1e-6 * std::sqrt(size + static_cast<double>(want.size()))))
    return fmt::format("{} moved by {}, and is {} from where it should be", name, std::sqrt(moved), std::sqrt(apart));
  const double typical = std::sqrt(moved / static_cast<double>(want.size()));
  for (std::size_t i = 0; i < want.size(); ++i)
    if (got[i] == start[i] && std::abs(static_cast<double>(want[i]) - static_cast<double>(start[i])) > typical)
      return fmt::format("{}[{}] is still {}, not {}", name, i, got[i], want[i]);
  return "";
}

// The same of all tensors.
inline std::string mismatch(const Weights& start, const Weights& got, const Weights& want) {
  if (got.size() != want.size()) return "another number of tensors";
  for (std::size_t t = 0; t < want.size(); ++t) {
    if (got[t].first != want[t].first) return got[t].first + " is another tensor";
    if (std::string text = mismatch(want[t].first, start[t].second, got[t].second, want[t].second); !text.empty())
      return text;
  }
  return "";
}

struct Training {
  Training(const Device& on, const ModelConfig& config, std::int64_t most_rows, MultiTask multi_task = MultiTask::none,
           bool weighted = false, kernels::Reduction reduction = kernels::Reduction::mean)
      : device(on),
        schema(small_schema(weighted)),
        parameters(
            3, [&](std::int32_t width) { return sparse_state_width(device, {}, width); }, device.memory),
        network(device, parameters, schema, config, most_rows, true, reduction, multi_task, 3, weighted ? 1.25 : 1.0),
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

  Weights weights() const { return weights_of(parameters); }

  Device device;
  Schema schema;
  Parameters parameters;
  Network network;
  Optimizer optimizer;
  StepPipeline pipeline;
  Weights start = weights();
  std::vector<StepResult> results;
};

// The weights of `mine` where those of `other` should be.
inline std::string weights_mismatch(const Training& mine, const Training& other) {
  return mismatch(other.start, mine.weights(), other.weights());
}

}  // namespace mal::test

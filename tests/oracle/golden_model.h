// The model of a golden file, built by the code that the trainer runs, with the golden weights in it.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "engine/optimizer.h"
#include "tests/oracle/golden_file.h"
#include "train/config/run_config.h"
#include "train/trainer/network.h"

namespace mal::test {

// Where a parameter's numbers lie: `rows` pieces of `width` floats, `stride` apart.
struct ParameterView {
  std::string name, kind;
  std::vector<std::int64_t> shape;
  std::int64_t rows, width, stride;
  float* data;
};

inline std::vector<ParameterView> views_of(Parameters& parameters) {
  std::vector<ParameterView> views;
  for (Parameter& p : parameters.all_dense())
    views.push_back({p.name, "dense", p.value.shape(), 1, p.value.size(), p.value.size(), p.value.data()});
  for (State& s : parameters.all_states())
    views.push_back({s.name, "running", s.value.shape(), 1, s.value.size(), s.value.size(), s.value.data()});
  for (EmbeddingTable& t : parameters.all_tables())
    views.push_back({t.name(), "table", {t.rows(), t.width()}, t.rows(), t.width(), t.row_stride(), t.data()});
  return views;
}

struct GoldenModel {
  // run: null for the configuration as it is. kernels: null for those of the CPU in fp32.
  GoldenModel(const GoldenFile& golden_file, bool training, const GoldenRun* run = nullptr,
              const kernels::KernelTable* kernels = nullptr)
      : golden(golden_file),
        config(parse_run_config_text(golden.config, golden.name, run ? run->overrides : std::vector<std::string>{})),
        device(device_with(kernels, golden.rows() > kernels::kRowBlock ? 2 : 1)),  // one block is one thread's work
        parameters(config.seed,
                   [this](std::int32_t width) { return sparse_state_width(device, config.sparse, width); }),
        network(device, parameters, golden.schema, config.model, golden.rows(), training, config.train.reduction,
                config.train.multi_task, config.seed, mean_of_weights(golden)) {
    if (run) config.schedule.total_steps = run->total_steps;
  }

  // Names and shapes that only one side has; empty if both agree.
  std::string differences() {
    std::string text;
    const std::vector<ParameterView> mine = views_of(parameters);
    for (const ParameterView& view : mine) {
      const auto found = std::ranges::find(golden.parameters, view.name, &GoldenParameter::name);
      if (found == golden.parameters.end())
        text += fmt::format("\n  {} {} is not in the oracle's model", view.name, shape_text(view.shape));
      else if (found->shape != view.shape || found->kind != view.kind)
        text += fmt::format("\n  {} is {} {}; the oracle's is {} {}", view.name, view.kind, shape_text(view.shape),
                            found->kind, shape_text(found->shape));
    }
    for (const GoldenParameter& parameter : golden.parameters)
      if (std::ranges::find(mine, parameter.name, &ParameterView::name) == mine.end())
        text += fmt::format("\n  {} {} of the oracle is missing", parameter.name, shape_text(parameter.shape));
    return text;
  }

  void set_weights() {
    const std::vector<float> weights = golden.floats("weights");
    const float* from = weights.data();
    const std::vector<ParameterView> mine = views_of(parameters);
    for (const GoldenParameter& parameter : golden.parameters) {
      const auto view = std::ranges::find(mine, parameter.name, &ParameterView::name);
      for (std::int64_t r = 0; r < view->rows; ++r, from += view->width)
        std::copy_n(from, view->width, view->data + r * view->stride);
    }
  }

  // In the order of golden.parameters.
  std::vector<float> weights() {
    std::vector<float> weights;
    const std::vector<ParameterView> mine = views_of(parameters);
    for (const GoldenParameter& parameter : golden.parameters) {
      const auto view = std::ranges::find(mine, parameter.name, &ParameterView::name);
      for (std::int64_t r = 0; r < view->rows; ++r)
        weights.insert(weights.end(), view->data + r * view->stride, view->data + r * view->stride + view->width);
    }
    return weights;
  }

  // Of the last backward(), in the order of golden.parameters; a table's gradient is dense, zero where no row was
  // touched.
  std::vector<float> gradients() {
    std::vector<float> all;
    for (const GoldenParameter& golden_parameter : golden.parameters) {
      if (golden_parameter.kind == "running") continue;
      const auto dense = std::ranges::find(parameters.all_dense(), golden_parameter.name, &Parameter::name);
      if (dense != parameters.all_dense().end()) {
        all.insert(all.end(), dense->gradient.span().begin(), dense->gradient.span().end());
        continue;
      }
      const std::size_t begin = all.size();
      all.resize(begin + static_cast<std::size_t>(golden_parameter.size));
      for (const SparseGradient* sparse : network.graph.sparse_gradients()) {
        if (sparse->table->name() != golden_parameter.name) continue;
        const auto width = static_cast<std::size_t>(sparse->table->width());
        std::int32_t last = -1;
        for (std::int64_t k = 0; k < *sparse->count; ++k) {
          const std::int32_t row = sparse->rows[k];
          if (row <= last) fail("gradient of {}: row {} comes after row {}", golden_parameter.name, row, last);
          last = row;
          std::copy_n(sparse->values + static_cast<std::size_t>(k) * width, width,
                      all.begin() + static_cast<std::ptrdiff_t>(begin + static_cast<std::size_t>(row) * width));
        }
      }
    }
    return all;
  }

  // Σ head widths a row.
  std::vector<float> logits(const Batch& batch) { return logits_of(network, batch); }
  std::vector<float> evaluation_logits(const Batch& batch) {
    Network evaluation(device, parameters, golden.schema, config.model, golden.rows(), false);
    return logits_of(evaluation, batch);
  }

  static std::vector<float> logits_of(Network& network, const Batch& batch) {
    network.forward(batch);
    const Matrix matrix = network.graph.matrix(network.model.logits);
    std::vector<float> values;
    for (std::int64_t r = 0; r < batch.rows; ++r)
      values.insert(values.end(), matrix.data + r * matrix.stride,
                    matrix.data + r * matrix.stride + network.graph.width(network.model.logits));
    return values;
  }

  // Of the golden rows, which are all of the training data.
  static double mean_of_weights(const GoldenFile& golden) {
    const std::vector<int> columns = golden.schema.columns_of(ColumnKind::weight);
    if (columns.empty()) return 1;
    const Batch batch = golden.batch(0, golden.rows());
    double sum = 0;
    for (const float weight : batch.columns[static_cast<std::size_t>(columns.front())].values)
      sum += static_cast<double>(weight);
    return sum / static_cast<double>(golden.rows());
  }

  static Device device_with(const kernels::KernelTable* kernels, int threads) {
    Device device = select_device("cpu", threads);
    if (kernels != nullptr) device.kernels = kernels;
    return device;
  }

  static std::string shape_text(const std::vector<std::int64_t>& shape) {
    return fmt::format("[{}]", fmt::join(shape, ", "));
  }

  const GoldenFile& golden;
  RunConfig config;
  Device device;
  Parameters parameters;
  Network network;
};

}  // namespace mal::test

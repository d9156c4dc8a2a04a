// A configured model with its parameters and a graph that evaluates it; the trainer adds a training graph to it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/device.h"
#include "engine/graph.h"
#include "engine/multi_task.h"
#include "engine/parameters.h"
#include "model/registry.h"
#include "model/schema.h"

namespace mal {

// One recorded graph of a model. Recording it again over the same Parameters shares the weights.
struct Network {
  Network(const Device& device, Parameters& parameters, const Schema& network_schema, const ModelConfig& config,
          std::int64_t max_rows, bool training, kernels::Reduction reduction = kernels::Reduction::mean,
          MultiTask multi_task = MultiTask::none, std::uint64_t seed = 0);

  // Runs a batch forward (and backward). Logits and losses are then in graph and losses.
  void forward(const Batch& batch);
  void backward(const Batch& batch, std::int64_t step = 1);  // step, from 1: for the random orders of pcgrad
  double total_loss() const;                                 // Σ λ · loss of the last backward()

  const Schema& schema;
  Graph graph;
  Model model;
  std::vector<double> losses;   // one a head, without λ
  std::int32_t only_head = -1;  // whose gradients backward() wants; −1: all of them
  std::optional<GradientSurgery> surgery;
};

// What --dry-run prints: every layer with parameters and flops a row, tables, memory.
std::string describe(const Network& training, const Parameters& parameters, std::int64_t dataset_rows);

}  // namespace mal

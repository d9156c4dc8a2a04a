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
#include "train/data/dataset.h"
#include "train/trainer/batch_stage.h"

namespace mal {

// One recorded graph of a model. Recording it again over the same Parameters shares the weights.
struct Network {
  // weight_mean: of the training rows' weights, where they have some (mean_weight below).
  Network(const Device& device, Parameters& parameters, const Schema& network_schema, const ModelConfig& config,
          std::int64_t max_rows, bool training, kernels::Reduction reduction = kernels::Reduction::mean,
          MultiTask multi_task = MultiTask::none, std::uint64_t seed = 0, double weight_mean = 1);

  // Runs a batch forward (and backward). The logits are then in graph.
  void forward(const Batch& batch);
  void backward(std::int64_t rows, std::int64_t step = 1);  // step, from 1: for the random orders of pcgrad
  void train(std::int64_t rows, std::int64_t step);         // both, of the batch that lies in `stage`; faster

  // Of the last backward(), one a head, without λ; and Σ λ · loss. They wait for it.
  std::vector<double> losses() const;
  double total_loss() const { return total(losses()); }
  double total(const std::vector<double>& losses) const;

  const Schema& schema;
  Graph graph;
  Model model;
  // What the host wants to know of a step, in the device's memory: the norm, then the losses.
  Buffer report;
  kernels::GradientNorm* norm() const { return report.as<kernels::GradientNorm>(); }
  double* device_losses() const { return report.as<double>() + sizeof(kernels::GradientNorm) / sizeof(double); }
  std::int32_t only_head = -1;  // whose gradients backward() wants; −1: all of them
  BatchStage stage;
  std::optional<GradientSurgery> surgery;
};

// Of the training rows; 1 where they have no weights. With it, the average row has the weight 1 whatever unit the
// weights have, and a loss and its gradients are of the size that rates are chosen for. Throws Error if all weights are
// 0.
double mean_weight(const Dataset& dataset);

// What --dry-run prints: every layer with parameters and flops a row, tables, memory.
std::string describe(const Network& training, const Parameters& parameters, std::int64_t dataset_rows);

}  // namespace mal

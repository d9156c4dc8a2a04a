#include "engine/optimizer.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "engine/error.h"

namespace mal {

namespace {

using kernels::DenseRule;
using kernels::SparseRule;

constexpr Purpose kPurpose{"the optimiser's state of the layers", "choose smaller widths in the model section"};

bool needs_first_state(const DenseOptimizerConfig& config) {
  return config.rule != DenseRule::sgd || config.momentum != 0;
}

bool needs_second_state(const DenseOptimizerConfig& config) {
  return config.rule == DenseRule::adam || config.rule == DenseRule::adamw;
}

bool accumulates(SparseRule rule) {
  return rule == SparseRule::adagrad || rule == SparseRule::rowwise_adagrad || rule == SparseRule::ftrl;
}

}  // namespace

std::int32_t sparse_state_width(const Device& device, const SparseOptimizerConfig& config, std::int32_t width) {
  return device.kernels->sparse_state_width(config.rule, width, static_cast<float>(config.momentum));
}

Optimizer::Optimizer(const Device& device, Parameters& parameters, const DenseOptimizerConfig& dense,
                     const SparseOptimizerConfig& sparse, const ScheduleConfig& schedule)
    : device_(device), parameters_(parameters), dense_(dense), sparse_(sparse), schedule_(schedule) {
  for (Parameter& parameter : parameters_.all_dense()) {
    const auto& shape = parameter.value.shape();
    const auto size = static_cast<std::size_t>(parameter.value.size());
    if (needs_first_state(dense_)) parameter.state1 = Tensor(device_.memory, shape, kPurpose);
    if (needs_second_state(dense_)) parameter.state2 = Tensor(device_.memory, shape, kPurpose);
    if (dense_.rule == DenseRule::adagrad)
      parameter.state1.write(std::vector<float>(size, static_cast<float>(dense_.initial_accumulator)));
    dense_tensors_.push_back({parameter.value.data(), parameter.gradient.data(), parameter.state1.data(),
                              parameter.state2.data(), parameter.value.size()});
  }
  own_constants_ = Buffer(device_.memory, sizeof(Constants), kPurpose);
  own_norm_ = Buffer(device_.memory, sizeof(kernels::GradientNorm), kPurpose);
  if (!accumulates(sparse_.rule)) return;
  for (EmbeddingTable& table : parameters_.all_tables()) {
    const std::int32_t width = sparse_.rule == SparseRule::rowwise_adagrad ? 1 : table.width();
    const std::int32_t first = sparse_.rule == SparseRule::ftrl ? table.width() : 0;  // its z lies before its n
    table.fill_state(static_cast<float>(sparse_.initial_accumulator), first, width);
  }
}

double Optimizer::rate_factor(std::int64_t step) const {
  const auto at = static_cast<double>(step);
  const auto warmup = static_cast<double>(schedule_.warmup_steps);
  if (step < schedule_.warmup_steps) return at / warmup;
  if (schedule_.kind == Schedule::constant) return 1.0;
  const double length = std::max(1.0, static_cast<double>(schedule_.total_steps) - warmup);
  // The first step after the warm-up has the whole rate, and the last one still has some: ftrl divides by it.
  const double progress = std::clamp((at - 1.0 - warmup) / length, 0.0, (length - 0.5) / length);
  return 0.5 * (1.0 + std::cos(std::numbers::pi * progress));
}

Optimizer::Constants Optimizer::constants(std::int64_t step) const {
  const double factor = rate_factor(step - schedule_begin_);
  return {.dense = {.rate = static_cast<float>(dense_.learning_rate * factor),
                    .beta1 = static_cast<float>(dense_.beta1),
                    .beta2 = static_cast<float>(dense_.beta2),
                    .eps = static_cast<float>(dense_.epsilon),
                    .l1 = 0,
                    .l2 = static_cast<float>(dense_.l2),
                    .momentum = static_cast<float>(dense_.momentum),
                    .beta = 0,
                    .step = step},
          .sparse = {.rate = static_cast<float>(sparse_.learning_rate * factor),
                     .beta1 = static_cast<float>(sparse_.beta1),
                     .beta2 = static_cast<float>(sparse_.beta2),
                     .eps = static_cast<float>(sparse_.epsilon),
                     .l1 = static_cast<float>(sparse_.l1),
                     .l2 = static_cast<float>(sparse_.l2),
                     .momentum = static_cast<float>(sparse_.momentum),
                     .beta = static_cast<float>(sparse_.beta),
                     .step = step}};
}

void Optimizer::prepare(const Graph& graph) {
  graph_ = &graph;
  spans_.clear();
  sparse_tensors_.clear();
  for (const kernels::DenseTensor& tensor : dense_tensors_) spans_.push_back({tensor.gradients, tensor.size});
  for (const SparseGradient* gradient : graph.sparse_gradients()) {
    EmbeddingTable& table = *gradient->table;
    spans_.push_back({gradient->values, gradient->capacity * table.width(), table.width(), gradient->count});
    sparse_tensors_.push_back({table.data(), table.row_stride(), table.rows(), table.width(), gradient->rows,
                               gradient->values, gradient->count, gradient->capacity});
  }
  const std::int64_t doubles =
      device_.kernels->gradient_norm_workspace(spans_.data(), static_cast<std::int32_t>(spans_.size()));
  workspace_ = Buffer(device_.memory, static_cast<std::size_t>(doubles) * sizeof(double), kPurpose);
}

void Optimizer::update(const Graph& graph, const Constants* constants, const double* losses, std::int32_t loss_count,
                       kernels::GradientNorm* norm) {
  if (graph_ != &graph) prepare(graph);
  device_.kernels->gradient_norm(spans_.data(), static_cast<std::int32_t>(spans_.size()), losses, loss_count,
                                 schedule_.clip_norm, norm, workspace_.as<double>());
  graph.commit(norm);
  device_.kernels->dense_update(dense_.rule, &constants->dense, norm, dense_tensors_.data(),
                                static_cast<std::int32_t>(dense_tensors_.size()));
  device_.kernels->sparse_update(sparse_.rule, &constants->sparse, norm, sparse_tensors_.data(),
                                 static_cast<std::int32_t>(sparse_tensors_.size()));
}

void Optimizer::step(const Graph& graph) {
  const Constants next = constants(steps_ + 1);
  own_constants_.upload(&next, sizeof next);
  update(graph, own_constants_.as<Constants>(), nullptr, 0, own_norm_.as<kernels::GradientNorm>());
  own_norm_.download(&norm_, sizeof norm_);
  if (norm_.finite == 0)
    fail("the gradient of step {} is not finite, nothing was updated: lower the learning rates, or set train.clip_norm",
         steps_ + 1);
  ++steps_;
}

}  // namespace mal

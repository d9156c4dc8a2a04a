#include "engine/optimizer.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "engine/error.h"

namespace mal {

namespace {

using kernels::DenseRule;
using kernels::SparseRule;

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
    if (needs_first_state(dense_)) parameter.state1 = Tensor(parameter.value.shape());
    if (needs_second_state(dense_)) parameter.state2 = Tensor(parameter.value.shape());
    if (dense_.rule == DenseRule::adagrad)
      std::ranges::fill(parameter.state1.span(), static_cast<float>(dense_.initial_accumulator));
    dense_tensors_.push_back({parameter.value.data(), parameter.gradient.data(), parameter.state1.data(),
                              parameter.state2.data(), parameter.value.size()});
    spans_.push_back({parameter.gradient.data(), parameter.gradient.size()});
  }
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

kernels::OptimizerStep Optimizer::dense_step(double factor) const {
  return {.rate = static_cast<float>(dense_.learning_rate * factor),
          .beta1 = static_cast<float>(dense_.beta1),
          .beta2 = static_cast<float>(dense_.beta2),
          .eps = static_cast<float>(dense_.epsilon),
          .l1 = 0,
          .l2 = static_cast<float>(dense_.l2),
          .momentum = static_cast<float>(dense_.momentum),
          .beta = 0,
          .step = steps_};
}

kernels::OptimizerStep Optimizer::sparse_step(double factor) const {
  return {.rate = static_cast<float>(sparse_.learning_rate * factor),
          .beta1 = static_cast<float>(sparse_.beta1),
          .beta2 = static_cast<float>(sparse_.beta2),
          .eps = static_cast<float>(sparse_.epsilon),
          .l1 = static_cast<float>(sparse_.l1),
          .l2 = static_cast<float>(sparse_.l2),
          .momentum = static_cast<float>(sparse_.momentum),
          .beta = static_cast<float>(sparse_.beta),
          .step = steps_};
}

void Optimizer::find_norm(const Graph& graph) {
  spans_.resize(parameters_.all_dense().size());
  for (const SparseGradient* gradient : graph.sparse_gradients()) {
    const std::int64_t width = gradient->table->width();
    spans_.push_back({gradient->values, gradient->capacity * width, width, gradient->count});
  }
  const auto count = static_cast<std::int32_t>(spans_.size());
  workspace_.resize(static_cast<std::size_t>(device_.kernels->gradient_norm_workspace(spans_.data(), count)));
  device_.kernels->gradient_norm(spans_.data(), count, nullptr, 0, schedule_.clip_norm, &norm_, workspace_.data());
}

void Optimizer::step(const Graph& graph) {
  find_norm(graph);
  if (norm_.finite == 0)
    fail("the gradient of step {} is not finite, nothing was updated: lower the learning rates, or set train.clip_norm",
         steps_ + 1);
  ++steps_;
  graph.commit(&norm_);
  const double factor = rate_factor(steps_);
  const kernels::OptimizerStep dense = dense_step(factor), sparse = sparse_step(factor);
  device_.kernels->dense_update(dense_.rule, &dense, &norm_, dense_tensors_.data(),
                                static_cast<std::int32_t>(dense_tensors_.size()));
  sparse_tensors_.clear();
  for (const SparseGradient* gradient : graph.sparse_gradients()) {
    EmbeddingTable& table = *gradient->table;
    sparse_tensors_.push_back({table.data(), table.row_stride(), table.rows(), table.width(), gradient->rows,
                               gradient->values, gradient->count, gradient->capacity});
  }
  device_.kernels->sparse_update(sparse_.rule, &sparse, &norm_, sparse_tensors_.data(),
                                 static_cast<std::int32_t>(sparse_tensors_.size()));
}

}  // namespace mal

// One update of every parameter from the gradients of the last backward pass; MODELS.md §4.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/graph.h"
#include "engine/optimizer_config.h"
#include "engine/parameters.h"

namespace mal {

// Floats of optimiser state that a table row of width d needs; give it to Parameters.
std::int32_t sparse_state_width(const Device& device, const SparseOptimizerConfig& config, std::int32_t width);

class Optimizer {
 public:
  // Allocates the dense state. The tables of `parameters` were made with sparse_state_width().
  Optimizer(const Device& device, Parameters& parameters, const DenseOptimizerConfig& dense,
            const SparseOptimizerConfig& sparse, const ScheduleConfig& schedule);

  // One whole step, waited for. Throws Error, and changes nothing, if a gradient is not finite. Running statistics move
  // with the weights.
  void step(const Graph& graph);
  double gradient_norm() const { return norm_.norm; }  // global, before clipping, of the last step()

  // The same in parts, for a caller that does not wait: constants(n) of step n, from 1, are in the device's memory when
  // update() runs there. It writes *norm, also in the device's memory, and moves nothing where a gradient or one of the
  // losses is not finite. It allocates only when it sees a graph for the first time.
  struct Constants {
    kernels::OptimizerStep dense, sparse;
  };
  Constants constants(std::int64_t step) const;
  void update(const Graph& graph, const Constants* constants, const double* losses, std::int32_t loss_count,
              kernels::GradientNorm* norm);

  std::int64_t steps() const { return steps_; }
  // Of a run whose weights and state were loaded. Its schedule began after step `schedule_begin`.
  void resume(std::int64_t steps, std::int64_t schedule_begin = 0) {
    steps_ = steps;
    schedule_begin_ = schedule_begin;
  }
  void count_step() { ++steps_; }               // that the caller took in parts
  double rate_factor(std::int64_t step) const;  // of the schedule at its `step` (from 1): 1 = the configured rates

 private:
  void prepare(const Graph& graph);

  Device device_;
  Parameters& parameters_;
  DenseOptimizerConfig dense_;
  SparseOptimizerConfig sparse_;
  ScheduleConfig schedule_;
  std::int64_t steps_ = 0, schedule_begin_ = 0;
  kernels::GradientNorm norm_{};
  std::vector<kernels::DenseTensor> dense_tensors_;
  const Graph* graph_ = nullptr;  // that these are of
  std::vector<kernels::SparseTensor> sparse_tensors_;
  std::vector<kernels::Span> spans_;
  Buffer workspace_, own_constants_, own_norm_;
};

}  // namespace mal

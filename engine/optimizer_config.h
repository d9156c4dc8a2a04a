// What an optimiser is told; MODELS.md §4. Every default is a default of the configuration file.
#pragma once

#include <cstdint>

#include "kernels/kernels.h"

namespace mal {

struct DenseOptimizerConfig {
  kernels::DenseRule rule = kernels::DenseRule::adam;
  double learning_rate = 1e-3;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double l2 = 0;                   // added to the gradient; for adamw the decoupled weight decay
  double momentum = 0;             // sgd
  double initial_accumulator = 0;  // adagrad
};

struct SparseOptimizerConfig {
  kernels::SparseRule rule = kernels::SparseRule::lazy_adam;
  double learning_rate = 1e-3;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double l1 = 0;                   // ftrl
  double l2 = 0;                   // of the touched rows (adam_dense: of every row)
  double momentum = 0;             // sgd
  double beta = 1;                 // ftrl
  double initial_accumulator = 0;  // adagrad, rowwise_adagrad, ftrl
};

enum class Schedule { constant, cosine };

struct ScheduleConfig {
  Schedule kind = Schedule::constant;
  std::int64_t warmup_steps = 0;  // the rate rises linearly from 0 over these
  std::int64_t total_steps = 0;   // cosine: falls to 0 at this step
  double clip_norm = 0;           // global norm over dense and sparse gradients; 0: no clipping
};

}  // namespace mal

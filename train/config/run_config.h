// What a training run is told: the configuration file after defaults and --set. docs/configuration.md describes each
// key.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/device.h"
#include "engine/multi_task.h"
#include "engine/optimizer_config.h"
#include "model/model_config.h"

namespace mal {

// How the vocabularies of the data set may differ from those that the weights it begins with were trained with.
enum class Vocab {
  same,
  grow,  // new ids after the old ones: tables grow
};

struct DataConfig {
  std::string path;                 // a dataset of `mal_data prepare`
  std::int64_t prefetch = 3;        // batches prepared ahead
  std::int64_t shuffle_window = 0;  // rows; 0: time order
  bool on_device = false;           // from the second epoch on the batches come from the device's own memory
};

struct TrainConfig {
  std::int64_t epochs = 1;
  std::int64_t batch_size = 1024;
  kernels::Reduction reduction = kernels::Reduction::mean;
  MultiTask multi_task = MultiTask::none;
  kernels::Precision precision = kernels::Precision::fp32;  // of dense layers' products
  std::int64_t threads = 0;                                 // 0: all cores
  std::int64_t log_every = 100;
  std::int64_t checkpoint_every = 0;  // steps; 0: by time alone
  double checkpoint_minutes = 10;     // 0: by steps alone
  bool keep_checkpoint = false;       // of a finished run, so that it can go on with new data
  std::int64_t eval_batch_size = 8192;
};

struct EvalConfig {
  std::vector<std::string> slices;  // slice columns reported beside the whole test set
  std::string baseline;  // id column whose average rate is the baseline; empty: the first id of the ad's side
};

struct RunConfig {
  std::string name;  // shown in reports; the model's type unless given
  std::uint64_t seed = 1;
  std::string init_from;  // a finished run whose weights are the first ones; empty: random ones
  Vocab vocab = Vocab::same;
  DataConfig data;
  ModelConfig model;
  TrainConfig train;
  // train.schedule, train.warmup_steps, train.clip_norm; total_steps is the trainer's
  ScheduleConfig schedule{.kind = Schedule::cosine};
  DenseOptimizerConfig dense;
  SparseOptimizerConfig sparse;
  EvalConfig eval;
  std::string output;  // the run directory
};

// Reads a configuration file strictly. overrides: "train.batch_size=512" as given to --set.
// Throws Error (exit code 2) with file:line, or naming --set.
RunConfig parse_run_config(const std::string& path, const std::vector<std::string>& overrides);

// The same of text in memory; name stands for the file in messages.
RunConfig parse_run_config_text(std::string_view text, const std::string& name,
                                const std::vector<std::string>& overrides);

// With the default in place of everything that cannot change what is trained: name, output and data set (others see to
// that one), what is evaluated, threads, how batches are read, checkpoints.
RunConfig without_particulars(RunConfig config);

// Every key with its value; parse_run_config of it gives the same configuration.
std::string to_yaml(const RunConfig& config);

}  // namespace mal

// One training run: batches in time order → steps → test metrics → weights and log in a run directory.
#pragma once

#include <cstdint>
#include <string>

#include "train/config/run_config.h"
#include "train/metrics/metrics.h"
#include "train/trainer/run_directory.h"

namespace mal {

struct TrainOptions {
  std::string device = "auto";
  ExistingRun existing = ExistingRun::refuse;  // of the same output
  bool scores = false;  // keep the logits of the test rows (scores.h), as the last thing that is written
};

// Of all epochs, for so many training rows.
std::int64_t steps_on(const TrainConfig& config, std::int64_t rows);

// Writes into config.output: config.yaml, metrics.jsonl, trained_on/, model.safetensors, scores.bin if asked for; while
// it trains checkpoint.safetensors, from which a run that was interrupted goes on to the same bits. Returns the test
// metrics. A loss or gradient that is not finite stops the run with an Error before any parameter has changed by it.
Metrics train(const RunConfig& config, const TrainOptions& options);

// The resolved configuration, layers with parameters and flops, tables, memory; nothing is trained or written.
void dry_run(const RunConfig& config, const TrainOptions& options);

}  // namespace mal

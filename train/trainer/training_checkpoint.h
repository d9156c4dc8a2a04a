// A run's checkpoint.safetensors: all that training needs to go on with the same bits.
#pragma once

#include <cstdint>
#include <string>

#include "engine/parameters.h"
#include "train/trainer/loss_meter.h"

namespace mal {

struct TrainingPosition {
  std::int64_t steps = 0;  // done
  LossMeter meter;         // of the steps since the last line of metrics.jsonl
};

// dataset: identifies the data (vocabularies and number of rows). Replaces an earlier checkpoint, whole or not at all.
void save_checkpoint(const std::string& path, const Parameters& parameters, const TrainingPosition& position,
                     const std::string& dataset);

// Into `parameters`, with the optimiser's state. Error if the file is damaged or of another model or data.
TrainingPosition load_checkpoint(const std::string& path, Parameters& parameters, std::size_t heads,
                                 const std::string& dataset);

}  // namespace mal

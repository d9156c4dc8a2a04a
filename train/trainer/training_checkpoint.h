// A run's checkpoint.safetensors: all that training needs to go on with the same bits.
#pragma once

#include <cstdint>
#include <string>

#include "engine/checkpoint.h"
#include "engine/parameters.h"
#include "train/config/run_config.h"
#include "train/trainer/loss_meter.h"

namespace mal {

struct TrainingPosition {
  std::int64_t steps = 0;  // done, on all data
  LossMeter meter;         // of the steps since the last line of metrics.jsonl
  std::int64_t begin = 0;  // of them, before the present data
};

// The data that a checkpoint was trained on.
struct CheckpointData {
  std::string identity;      // data_identity()
  std::string vocabularies;  // vocabulary_fingerprint(): what its rows mean; an earlier version did not write it
};

// Replaces an earlier checkpoint, whole or not at all.
void save_checkpoint(const std::string& path, const Parameters& parameters, const TrainingPosition& position,
                     const CheckpointData& data);

CheckpointData data_of_checkpoint(const std::string& path);

// Without a look at the weights: steps and begin, no meter.
TrainingPosition position_of_checkpoint(const std::string& path);

// Into `parameters`, with the optimiser's state; rows: where the checkpoint has theirs. Error if the file is damaged or
// of another model; of other data than `dataset`, too, unless with Vocab::grow (check_goes_on): then training begins
// with the first row, after the steps that were done.
TrainingPosition load_checkpoint(const std::string& path, Parameters& parameters, std::size_t heads,
                                 const std::string& dataset, Vocab vocab, const TableRows& rows);

}  // namespace mal

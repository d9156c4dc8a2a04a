// Scores a split of a dataset with a model's evaluation graph.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/device.h"
#include "engine/parameters.h"
#include "model/model_config.h"
#include "train/data/dataset.h"
#include "train/metrics/metrics.h"

namespace mal {

// The primary view's logits and credits of every row, the group keys, and one vector of codes a slice column.
struct ScoredSplit {
  Scored scored;
  std::vector<std::vector<std::int32_t>> slices;
};

// Throws a usage Error for a name that is no slice column.
void check_slices(const Schema& schema, const std::vector<std::string>& slices);

// slices: names of slice columns. Parameters must hold the model's weights already.
ScoredSplit score_split(const Device& device, Parameters& parameters, const ModelConfig& config, const Dataset& dataset,
                        Split split, std::int64_t batch_size, const std::vector<std::string>& slices);

}  // namespace mal

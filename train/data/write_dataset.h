// What of a data set is written beside its shards.
#pragma once

#include <string>

#include "model/schema.h"
#include "train/data/dataset_stats.h"
#include "train/data/fitted_columns.h"

namespace mal {

// Vocabularies and schema.yaml; returns the latter's checksum.
std::string write_fitted(const Schema& schema, const FittedColumns& fitted, const std::string& folder);

// When both splits are written: the names of the slices, and stats.json.
void finish_dataset(const Schema& schema, const FittedColumns& fitted, DatasetStats& stats, const std::string& folder);

}  // namespace mal

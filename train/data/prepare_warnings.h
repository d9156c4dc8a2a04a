// What a data set holds that was prepared without an error and still will not train well.
#pragma once

#include <string>
#include <vector>

#include "model/schema.h"
#include "train/data/dataset_stats.h"

namespace mal {

// One line a finding, without "warning:"; empty for healthy data. Found are: numbers so large, as the network gets
// them, that they drown its other inputs; views of which a split has no positive, or positives alone; a split without
// rows.
std::vector<std::string> data_warnings(const Schema& schema, const DatasetStats& stats);

}  // namespace mal

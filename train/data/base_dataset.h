// A data set that goes on from an earlier one (--base), in one run or merged from parts.
#pragma once

#include <string>

#include "model/schema.h"
#include "train/data/fitted_columns.h"

namespace mal {

// Ids and scales go on from those of the data set at `base`, so that a model of it can go on, too. Nothing for an empty
// path. Error for a base of another schema.
void start_from(const std::string& base, const Schema& schema, FittedColumns& fitted);

}  // namespace mal

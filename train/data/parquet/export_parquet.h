// A data set back as a Parquet file of samples, for pandas, DuckDB or Spark, and for comparing with what went in.
#pragma once

#include <cstdint>
#include <string>

#include "train/data/dataset.h"

namespace mal {

// A column for each column of the sample files that the schema names: ids as their values (integers where all values of
// the table are, otherwise text), null where they are unseen or empty; of a hashed table the bucket; lists as list;
// numbers as they were before log1p and standardize, within rounding; credits, scores, times, slices; group keys where
// no other column reads the same field. Returns the number of rows. Streams; the file appears whole.
std::int64_t export_parquet(const std::string& dataset, Split split, const std::string& output);

}  // namespace mal

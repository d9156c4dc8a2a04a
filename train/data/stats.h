// `mal_data stats`: what a data set holds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "train/data/dataset.h"

namespace mal {

struct StatsOptions {
  std::string dataset;
  std::string json;  // empty: none
  bool verify = false;
};

// Rows and positives of each view: of a whole data set, or of one value of a slice column.
struct ViewCounts {
  std::int64_t rows = 0;
  std::vector<std::int64_t> positives;  // one a view
  std::vector<double> credit;           // Σ c, one a view
};

struct SliceCounts {
  std::string column;
  std::vector<ViewCounts> values;  // by the value's code
};

struct DatasetCounts {
  ViewCounts all;
  std::vector<SliceCounts> slices;
  std::int64_t users = 0;  // distinct group keys; 0 without a group column
};

DatasetCounts count_views(const Dataset& dataset);  // both splits, streaming

void print_stats(const StatsOptions& options);

}  // namespace mal

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

// Rows and positives of each view: of a split, of all, or of one value of a slice column.
struct ViewCounts {
  std::int64_t rows = 0;
  std::vector<std::int64_t> positives;  // one a view
  std::vector<double> credit;           // Σ c, one a view
};

struct SliceCounts {
  int column = 0;                  // of the schema
  std::vector<ViewCounts> values;  // by the value's code
};

struct DatasetCounts {
  ViewCounts train, test, all;
  std::vector<SliceCounts> slices;  // over both splits
  std::int64_t users = 0;           // distinct group keys; 0 without a group column
};

DatasetCounts count_views(const Dataset& dataset);  // streams both splits

// The view that the others are compared with: "last", or else the first.
std::size_t reference_view(const std::vector<std::string>& views);

std::string stats_text(const Dataset& dataset, const DatasetCounts& counts);
std::string stats_json(const Dataset& dataset, const DatasetCounts& counts);

void print_stats(const StatsOptions& options);  // the command

}  // namespace mal

// A data set that is made in parts, on one machine or many, and merged: the same bytes as from one run.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/schema.h"
#include "train/data/dataset_stats.h"
#include "train/data/fitted_columns.h"

namespace mal {

// Part `part` of `parts`, from 1; parts = 0: the whole.
struct PartNumber {
  int part = 0, parts = 0;
};

// "2/8"; throws a usage Error for anything else.
PartNumber parse_part(std::string_view text);

// The share of a part: neighbours in the order of time, so that parts follow each other as the rows do.
std::vector<std::string> files_of_part(const std::vector<std::string>& files, const PartNumber& number);

inline constexpr const char* kPartFile = "/part.json";

// Beside the shards of a part: the numbers that its ids have for now, how often each was seen on train, and which slice
// values appeared on train. `train_slices`: of each column, how many.
void write_part(const std::string& folder, const PartNumber& number, const Schema& schema, const FittedColumns& fitted,
                const std::vector<std::size_t>& train_slices, const DatasetStats& stats);

struct MergeOptions {
  std::vector<std::string> parts;  // folders, in any order
  std::string base = {};           // as PrepareOptions::base
  std::string output;
  int threads = 0;  // 0: one a core
  std::int64_t shard_rows = std::int64_t{1} << 20;
};

// Throws Error for parts that do not belong together, for one that is missing, and for times that go backwards between
// two parts.
DatasetStats merge_parts(const MergeOptions& options);

}  // namespace mal

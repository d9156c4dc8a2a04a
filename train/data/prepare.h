// Sample files → data set: vocabularies and statistics from the training files, then both splits as column shards.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "train/data/dataset_stats.h"

namespace mal {

struct PrepareOptions {
  std::string schema;  // a built-in name or a file
  std::vector<std::string> train, test;
  std::string output;
  std::int64_t shard_rows = std::int64_t{1} << 20;
  bool progress = true;  // on stderr
};

// Streams: memory holds the vocabularies and one row. Writes to a temporary folder and renames it; on any Error nothing
// of it is left, and an earlier data set at `output` is as it was.
DatasetStats prepare(const PrepareOptions& options);

}  // namespace mal

// A part of a data set, as write_part() left it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/schema.h"
#include "train/data/column_file.h"
#include "train/data/dataset.h"
#include "train/data/dataset_stats.h"
#include "train/data/vocabulary.h"

namespace mal {

inline std::string counts_file(const std::string& part, const std::string& table) {
  return part + "/vocab/" + table + ".count.bin";
}

struct PartFolder {
  std::string path;
  int part = 0, parts = 0;
  std::string schema_text;
  Schema schema;  // with the rows of the part's tables
  DatasetStats stats;
  std::vector<std::string> given;  // tables whose numbers are already those of the data set
  std::vector<std::size_t> train_slices;

  const SplitStats& split(Split split) const { return split == Split::train ? stats.train : stats.test; }
  std::int64_t shards(Split split) const;
  bool is_given(const std::string& table) const;
};

// Throws Error for a folder that is no part.
PartFolder open_part(const std::string& path);

}  // namespace mal

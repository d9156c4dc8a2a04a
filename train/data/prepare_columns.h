// Parquet's half of prepare: every column on its own, from its pages to its files, on several threads.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/schema.h"
#include "train/data/dataset.h"
#include "train/data/dataset_stats.h"
#include "train/data/fitted_columns.h"
#include "train/data/folder_columns.h"
#include "train/data/reading_notes.h"

namespace mal {

struct ColumnJob {
  const Schema& schema;
  const std::vector<std::string>& files;
  const FolderColumns& folders;
  int threads;
  bool progress;
};

// Counts the columns that `fitted` wants counted.
void count_columns(const ColumnJob& job, FittedColumns& fitted, ReadingNotes& notes);

// Writes the split's shards under `folder`. not_before: as in ColumnEncoder.
SplitStats encode_columns(const ColumnJob& job, Split split, std::int64_t shard_rows, std::int64_t not_before,
                          const std::string& folder, FittedColumns& fitted, ReadingNotes& notes);

}  // namespace mal

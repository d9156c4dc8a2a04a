// Sample files → data set: vocabularies and statistics from the training files, then both splits as column shards.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "train/data/dataset_stats.h"
#include "train/data/folder_columns.h"
#include "train/data/prepare_parts.h"
#include "train/data/reading_notes.h"

namespace mal {

struct PrepareOptions {
  std::string schema;                    // a built-in name or a file
  std::string weight = {};               // a column of weights that the schema does not name; empty: none
  std::vector<std::string> train, test;  // files, folders of files, or patterns
  FolderColumns folders = {};            // of these files, filled by prepare()
  std::string vocabularies = {};         // a folder of <table>.json, whose numbers are used; empty: all are built
  std::string base = {};                 // a data set whose ids keep their numbers; new ids get those that follow
  PartNumber part = {};                  // make this part alone, for merge_parts()
  std::string output;
  char delimiter = 0;    // of text files; 0: what their first line has
  TimeFormat time = {};  // of the time column
  int threads = 0;       // for Parquet; 0: one a core
  std::int64_t shard_rows = std::int64_t{1} << 20;
  bool progress = true;  // on stderr
};

// Streams: memory holds the vocabularies, and one row of text or one block of Parquet. Writes to a temporary folder and
// renames it; on any Error nothing of it is left, and an earlier data set at `output` is as it was.
DatasetStats prepare(const PrepareOptions& options);
DatasetStats prepare(const PrepareOptions& options, ReadingNotes& notes);

}  // namespace mal

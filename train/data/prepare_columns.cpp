#include "train/data/prepare_columns.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "train/config/parallel.h"
#include "train/data/column_encoder.h"
#include "train/data/dataset_layout.h"
#include "train/data/folder_blocks.h"
#include "train/data/parquet/parquet_file.h"
#include "train/data/reading_progress.h"
#include "train/data/shard_writer.h"

namespace mal {

namespace {

constexpr std::size_t kOpenFiles = 64;  // whose footers are in memory at once

struct Task {
  std::size_t column;   // of the schema
  std::uint64_t bytes;  // of it, in these files
};

// Of a column in the file; none where a folder's name says it.
std::uint64_t bytes_of(const ColumnJob& job, const ParquetFile& file, const std::string& column) {
  return job.folders.find(file.path(), column) != nullptr ? 0 : file.bytes(column);
}

// Columns that the file has and a folder's name says.
void note_replaced(const ColumnJob& job, const ParquetFile& file, ReadingNotes& notes) {
  const FolderValues& values = job.folders.of(file.path());
  if (values.empty()) return;
  for (const std::string& name : file.column_names())
    if (std::ranges::find(values, name, &FolderValue::column) != values.end()) notes.replaced_columns.insert(name);
}

// The longest first, so that no thread is left with one at the end.
std::vector<Task> tasks_of(const ColumnJob& job, const std::vector<std::size_t>& columns,
                           const std::vector<ParquetFile>& files) {
  std::vector<Task> tasks;
  for (const std::size_t c : columns) {
    tasks.push_back({c, 0});
    for (const ParquetFile& file : files) tasks.back().bytes += bytes_of(job, file, job.schema.columns[c].source);
  }
  std::ranges::stable_sort(tasks, std::ranges::greater(), &Task::bytes);
  return tasks;
}

// Calls block(column, rows) for every block of every one of `columns`: those of a column one after the other, different
// columns at the same time. Returns the number of rows.
template <typename Block>
std::int64_t for_each_block(const ColumnJob& job, const std::vector<std::size_t>& columns, const std::string& label,
                            ReadingNotes& notes, const Block& block) {
  std::int64_t rows = 0;
  ReadingProgress progress(job.files, job.progress, label);
  for (std::size_t first = 0; first < job.files.size(); first += kOpenFiles) {
    std::vector<ParquetFile> files;
    for (std::size_t f = first; f < std::min(job.files.size(), first + kOpenFiles); ++f) {
      files.emplace_back(job.files[f]);
      rows += files.back().rows();
      note_replaced(job, files.back(), notes);
    }
    const std::vector<Task> tasks = tasks_of(job, columns, files);
    parallel_for(tasks.size(), thread_count(job.threads), [&](std::size_t t) {
      const Column& column = job.schema.columns[tasks[t].column];
      SourceBlock rows_of_column;
      const auto read = [&](auto blocks) {
        while (blocks.next(rows_of_column)) {
          reals_to_ids(column, rows_of_column);
          block(tasks[t].column, std::as_const(rows_of_column));
        }
      };
      for (const ParquetFile& file : files) {
        if (const std::string* text = job.folders.find(file.path(), column.source))
          read(FolderBlocks(file, column, *text));
        else
          read(ParquetColumn(file, column.source));
        progress.add(bytes_of(job, file, column.source));
      }
    });
  }
  progress.finish(rows);
  return rows;
}

}  // namespace

void count_columns(const ColumnJob& job, FittedColumns& fitted, ReadingNotes& notes) {
  std::vector<std::size_t> columns;
  for (std::size_t c = 0; c < job.schema.columns.size(); ++c)
    if (fitted.counts(c)) columns.push_back(c);
  for_each_block(job, columns, "reading vocabularies", notes,
                 [&](std::size_t column, const SourceBlock& block) { fitted.count(block, column); });
}

SplitStats encode_columns(const ColumnJob& job, Split split, std::int64_t shard_rows, std::int64_t not_before,
                          const std::string& folder, FittedColumns& fitted, ReadingNotes& notes) {
  FileCommitter committer;
  std::vector<std::size_t> columns;
  std::vector<ColumnEncoder> encoders;
  std::vector<ColumnShards> shards;
  for (std::size_t c = 0; c < job.schema.columns.size(); ++c) {
    columns.push_back(c);
    encoders.emplace_back(job.schema, c, fitted, not_before);
    const Column& column = job.schema.columns[c];
    shards.emplace_back(fitted.raw_numbers ? part_column(column) : column, folder, split, shard_rows, committer);
  }
  SplitStats stats;
  stats.rows = for_each_block(
      job, columns, split == Split::train ? "encoding train" : "encoding test", notes,
      [&](std::size_t c, const SourceBlock& block) { shards[c].append(encoders[c].encode(block), block.rows); });
  for (std::size_t c = 0; c < columns.size(); ++c) {
    shards[c].finish();
    stats.columns.push_back(encoders[c].stats());
    if (job.schema.columns[c].kind != ColumnKind::time) continue;
    stats.first_time = encoders[c].first_time();
    stats.last_time = encoders[c].last_time();
  }
  committer.finish();
  return stats;
}

}  // namespace mal

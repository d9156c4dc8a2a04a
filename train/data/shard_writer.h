// Writes encoded rows of one split as shards of column files.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "model/batch.h"
#include "model/schema.h"
#include "train/data/column_file.h"
#include "train/data/dataset.h"

namespace mal {

// Commits files while others are being written: each waits for the disk.
class FileCommitter {
 public:
  FileCommitter();
  ~FileCommitter();  // what was not committed is removed
  void add(std::unique_ptr<ColumnWriter> file);
  void finish();  // all are on the disk; throws the first error

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::unique_ptr<ColumnWriter>> files_;
  std::size_t working_ = 0;
  bool stopping_ = false;
  std::exception_ptr error_;
  std::vector<std::jthread> threads_;
};

// One column of the shards.
class ColumnShards {
 public:
  ColumnShards(Column column, std::string dataset, Split split, std::int64_t shard_rows, FileCommitter& committer);
  void append(const BatchColumn& data, std::int64_t rows);
  void finish();  // the last shard goes to the committer

 private:
  void append_part(const BatchColumn& data, std::int64_t first, std::int64_t count);

  Column column_;
  std::string dataset_;
  Split split_;
  std::int64_t shard_rows_, shard_ = 0, rows_ = 0;
  FileCommitter& committer_;
  std::unique_ptr<ColumnWriter> values_, lengths_;  // null before the first row of a shard; lengths: if it has any
};

// All of them.
class ShardWriter {
 public:
  // columns: as they are stored (of a part: part_column()).
  ShardWriter(const std::vector<Column>& columns, const std::string& dataset, Split split, std::int64_t shard_rows);
  void append(const Batch& block);
  void finish();

 private:
  FileCommitter committer_;
  std::vector<ColumnShards> columns_;
};

}  // namespace mal

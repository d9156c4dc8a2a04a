// Writes encoded rows of one split as shards of column files.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model/batch.h"
#include "model/schema.h"
#include "train/data/column_file.h"
#include "train/data/dataset.h"

namespace mal {

class ShardWriter {
 public:
  // threads: that write columns.
  ShardWriter(const Schema& schema, std::string dataset, Split split, std::int64_t shard_rows, int threads = 1);
  void append(const Batch& block);
  void finish();  // of the last shard

 private:
  void open_shard();
  void append_rows(const Batch& block, std::int64_t first, std::int64_t count);

  const Schema& schema_;
  std::string dataset_;
  Split split_;
  std::int64_t shard_rows_, shard_ = 0, rows_ = 0;
  int threads_;
  std::vector<std::unique_ptr<ColumnWriter>> values_, lengths_;  // one a column; lengths only where it has them
};

}  // namespace mal

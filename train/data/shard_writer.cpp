#include "train/data/shard_writer.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "train/config/parallel.h"
#include "train/data/dataset_layout.h"

namespace mal {

ShardWriter::ShardWriter(const Schema& schema, std::string dataset, Split split, std::int64_t shard_rows, int threads)
    : schema_(schema), dataset_(std::move(dataset)), split_(split), shard_rows_(shard_rows), threads_(threads) {}

void ShardWriter::open_shard() {
  const std::string folder = shard_folder(dataset_, split_, shard_++);
  std::filesystem::create_directories(folder);
  for (const Column& column : schema_.columns) {
    values_.push_back(
        std::make_unique<ColumnWriter>(values_file(folder, column), stored_type(column.kind), stored_width(column)));
    lengths_.push_back(has_lengths(column.kind)
                           ? std::make_unique<ColumnWriter>(lengths_file(folder, column), ColumnType::int32, 1)
                           : nullptr);
  }
}

void ShardWriter::append(const Batch& block) {
  std::int64_t done = 0;
  while (done < block.rows) {
    if (values_.empty()) open_shard();
    const std::int64_t part = std::min(block.rows - done, shard_rows_ - rows_);
    append_rows(block, done, part);
    done += part;
    rows_ += part;
    if (rows_ == shard_rows_) finish();
  }
}

void ShardWriter::append_rows(const Batch& block, std::int64_t first, std::int64_t count) {
  const auto rows = static_cast<std::uint64_t>(count);
  parallel_for(block.columns.size(), threads_, [&](std::size_t c) {
    const BatchColumn& column = block.columns[c];
    const std::int64_t at = first * static_cast<std::int64_t>(stored_width(schema_.columns[c]));
    switch (stored_type(schema_.columns[c].kind)) {
      case ColumnType::int32:
        values_[c]->append(column.ids.data() + at, rows);
        break;
      case ColumnType::float32:
        values_[c]->append(column.values.data() + at, rows);
        break;
      case ColumnType::int64:
        values_[c]->append(column.keys.data() + at, rows);
        break;
    }
    if (lengths_[c]) lengths_[c]->append(column.lengths.data() + first, rows);
  });
}

void ShardWriter::finish() {
  // Each waits for the disk, so they wait together.
  parallel_for(values_.size(), 8 * threads_, [&](std::size_t c) {
    values_[c]->commit();
    if (lengths_[c]) lengths_[c]->commit();
  });
  values_.clear();
  lengths_.clear();
  rows_ = 0;
}

}  // namespace mal

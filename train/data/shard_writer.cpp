#include "train/data/shard_writer.h"

#include <filesystem>
#include <utility>

#include "train/data/dataset_layout.h"

namespace mal {

ShardWriter::ShardWriter(const Schema& schema, std::string dataset, Split split, std::int64_t shard_rows)
    : schema_(schema), dataset_(std::move(dataset)), split_(split), shard_rows_(shard_rows) {}

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

void ShardWriter::append(const std::vector<EncodedCell>& cells) {
  if (values_.empty()) open_shard();
  for (std::size_t c = 0; c < cells.size(); ++c) {
    const EncodedCell& cell = cells[c];
    switch (stored_type(schema_.columns[c].kind)) {
      case ColumnType::int32:
        values_[c]->append(cell.ids.data());
        break;
      case ColumnType::float32:
        values_[c]->append(cell.values.data());
        break;
      case ColumnType::int64:
        values_[c]->append(&cell.key);
        break;
    }
    if (lengths_[c]) lengths_[c]->append(&cell.length);
  }
  if (++rows_ == shard_rows_) finish();
}

void ShardWriter::finish() {
  for (const auto& writer : values_) writer->commit();
  for (const auto& writer : lengths_)
    if (writer) writer->commit();
  values_.clear();
  lengths_.clear();
  rows_ = 0;
}

}  // namespace mal

// Which files a column of the schema has in a shard, and their names. Shared by writer and reader.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>

#include "model/batch.h"
#include "model/schema.h"
#include "train/data/column_file.h"
#include "train/data/dataset.h"

namespace mal {

inline constexpr const char* kSchemaFile = "/schema.yaml";
inline constexpr const char* kStatsFile = "/stats.json";

inline std::string shard_folder(const std::string& dataset, Split split, std::int64_t shard) {
  return fmt::format("{}/{}-{:05}", dataset, split == Split::train ? "train" : "test", shard);
}
inline std::string vocabulary_file(const std::string& dataset, const std::string& table) {
  return fmt::format("{}/vocab/{}.json", dataset, table);
}
// What is remembered of a table with `evict`; not in vocab/, which says what an id's row is.
inline std::string memory_file(const std::string& dataset, const std::string& table) {
  return fmt::format("{}/memory/{}.json", dataset, table);
}
inline std::string slice_file(const std::string& dataset, const std::string& column) {
  return fmt::format("{}/vocab/slice.{}.json", dataset, column);
}
inline std::string values_file(const std::string& shard, const Column& column) {
  return shard + "/" + column.name + ".bin";
}
inline std::string lengths_file(const std::string& shard, const Column& column) {
  return shard + "/" + column.name + ".length.bin";
}

inline ColumnType stored_type(ColumnKind kind) {
  switch (kind) {
    case ColumnKind::id:
    case ColumnKind::ids:
    case ColumnKind::sequence:
    case ColumnKind::slice:
      return ColumnType::int32;
    case ColumnKind::scores:
    case ColumnKind::number:
    case ColumnKind::credit:
    case ColumnKind::weight:
      return ColumnType::float32;
    case ColumnKind::group:
    case ColumnKind::time:
      return ColumnType::int64;
  }
  return ColumnType::int32;
}

// Lists are padded to the column's length, so that a batch of rows is one copy; their true lengths lie beside them.
inline bool has_lengths(ColumnKind kind) {
  return kind == ColumnKind::ids || kind == ColumnKind::sequence || kind == ColumnKind::scores;
}
inline std::uint64_t stored_width(const Column& column) {
  return has_lengths(column.kind) ? static_cast<std::uint64_t>(column.length) : 1;
}

// How a part of a data set stores a column: a number as it stands in the file, the bits of a double.
inline Column part_column(Column column) {
  if (column.kind == ColumnKind::number) column.kind = ColumnKind::group;
  return column;
}

// Room for `rows` rows; what is there already stays.
inline void resize_column(const Column& column, std::int64_t rows, BatchColumn& out) {
  const auto cells = static_cast<std::size_t>(rows) * stored_width(column);
  switch (stored_type(column.kind)) {
    case ColumnType::int32:
      out.ids.resize(cells);
      break;
    case ColumnType::float32:
      out.values.resize(cells);
      break;
    case ColumnType::int64:
      out.keys.resize(cells);
      break;
  }
  if (has_lengths(column.kind)) out.lengths.resize(static_cast<std::size_t>(rows));
}

}  // namespace mal

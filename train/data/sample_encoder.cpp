#include "train/data/sample_encoder.h"

#include <algorithm>

#include "engine/error.h"
#include "train/data/dataset_layout.h"
#include "train/data/group_name.h"
#include "train/data/number_field.h"
#include "train/data/parse_number.h"
#include "train/data/sample_values.h"

namespace mal {

namespace {

double parse_score(const TextTable& table, int field, std::string_view item) {
  const std::optional<double> score = parse_number(item);
  if (!score)
    fail("{}: {}; scores are numbers in [-1, 1] with '|' between them", table.where(field), why_no_number(item));
  return *score;
}

std::string sort_command(char delimiter, int place) {
  const std::string separator = delimiter == ',' ? "," : delimiter == '\t' ? "$'\\t'" : fmt::format("'{}'", delimiter);
  return fmt::format("sort -t{} -k{},{}n", separator, place, place);
}

}  // namespace

SampleEncoder::SampleEncoder(const Schema& schema, FittedColumns& fitted, std::int64_t not_before)
    : schema_(schema), fitted_(fitted), not_before_(not_before) {
  stats_.columns.resize(schema.columns.size());
  block_.columns.resize(schema.columns.size());
  for (std::size_t c = 0; c < schema.columns.size(); ++c) {
    const Column& column = schema.columns[c];
    table_of_.push_back(column.table.empty() ? -1 : schema.table_index(column.table));
    resize_column(fitted.raw_numbers ? part_column(column) : column, kBlockRows, block_.columns[c]);
  }
}

void SampleEncoder::encode(const TextTable& table, const std::vector<int>& fields) {
  row_ = static_cast<std::size_t>(block_.rows);
  for (std::size_t c = 0; c < schema_.columns.size(); ++c) {
    const int field = fields[c];
    BatchColumn& out = block_.columns[c];
    switch (schema_.columns[c].kind) {
      case ColumnKind::id:
        out.ids[row_] = id_of(c, table.field(field));
        break;
      case ColumnKind::ids:
      case ColumnKind::sequence:
        encode_list(c, table, field);
        break;
      case ColumnKind::scores:
        encode_scores(c, table, field);
        break;
      case ColumnKind::number:
        encode_number(c, table, field);
        break;
      case ColumnKind::credit:
        encode_credit(c, table, field);
        break;
      case ColumnKind::weight:
        out.values[row_] = stored_weight(table.number(field), stats_.columns[c], [&] { return table.where(field); });
        break;
      case ColumnKind::group:
        check_group(table.field(field), [&] { return table.where(field); });
        out.keys[row_] = group_key(table.field(field));
        break;
      case ColumnKind::slice:
        out.ids[row_] =
            stored_slice(schema_.columns[c], fitted_.slices[c], table.field(field), [&] { return table.where(field); });
        break;
      case ColumnKind::time:
        encode_time(c, table, field);
        break;
    }
  }
  ++block_.rows;
  ++stats_.rows;
}

std::int32_t SampleEncoder::id_of(std::size_t column, std::string_view value) {
  ColumnStats& stats = stats_.columns[column];
  ++stats.values;
  if (value.empty()) {
    ++stats.missing;
    return 0;
  }
  const auto index = static_cast<std::size_t>(table_of_[column]);
  const std::int64_t buckets = schema_.tables[index].hash_buckets;
  if (buckets != 0) return hash_bucket(value, buckets);
  const std::int32_t id = fitted_.tables[index].find(value);
  stats.unseen += id == 0 ? 1 : 0;
  return id;
}

// The index of the first item that is kept: a list that is too long loses its oldest, which stand first.
std::size_t SampleEncoder::newest(std::size_t column) {
  const auto length = static_cast<std::size_t>(schema_.columns[column].length);
  if (items_.size() <= length) return 0;
  ++stats_.columns[column].truncated;
  return items_.size() - length;
}

void SampleEncoder::encode_list(std::size_t column, const TextTable& table, int field) {
  const auto length = static_cast<std::size_t>(schema_.columns[column].length);
  BatchColumn& out = block_.columns[column];
  std::int32_t* ids = out.ids.data() + row_ * length;
  split_checked_list(table.field(field), items_, [&] { return table.where(field); });
  std::size_t at = 0;
  for (std::size_t i = newest(column); i < items_.size(); ++i) ids[at++] = id_of(column, items_[i]);
  out.lengths[row_] = static_cast<std::int32_t>(at);
  std::fill(ids + at, ids + length, 0);
}

void SampleEncoder::encode_scores(std::size_t column, const TextTable& table, int field) {
  const auto length = static_cast<std::size_t>(schema_.columns[column].length);
  BatchColumn& out = block_.columns[column];
  ColumnStats& stats = stats_.columns[column];
  float* values = out.values.data() + row_ * length;
  split_checked_list(table.field(field), items_, [&] { return table.where(field); });
  std::size_t at = 0;
  for (std::size_t i = newest(column); i < items_.size(); ++i) {
    const double score = parse_score(table, field, items_[i]);
    values[at++] = stored_score(score, stats, [&] { return table.where(field); });
  }
  out.lengths[row_] = static_cast<std::int32_t>(at);
  std::fill(values + at, values + length, 0.0F);
}

void SampleEncoder::encode_number(std::size_t column, const TextTable& table, int field) {
  const double value = number_of(schema_.columns[column], table, field);
  if (fitted_.raw_numbers) {
    block_.columns[column].keys[row_] = raw_number(schema_.columns[column], value, [&] { return table.where(field); });
    return;
  }
  block_.columns[column].values[row_] = stored_number(schema_.columns[column], fitted_.numbers[column], value,
                                                      stats_.columns[column], [&] { return table.where(field); });
}

void SampleEncoder::encode_credit(std::size_t column, const TextTable& table, int field) {
  block_.columns[column].values[row_] =
      stored_credit(table.number(field), stats_.columns[column], [&] { return table.where(field); });
}

void SampleEncoder::encode_time(std::size_t column, const TextTable& table, int field) {
  const std::int64_t time = floor_seconds(table.time(field));
  check_time(
      time, stats_.rows, not_before_, stats_, [&] { return table.where(field); },
      [&] { return fmt::format("sort the rows by time ({})", sort_command(table.delimiter(), table.place(field))); });
  block_.columns[column].keys[row_] = time;
}

std::vector<int> find_fields(const Schema& schema, const TextTable& table) {
  std::vector<int> fields;
  for (const Column& column : schema.columns) fields.push_back(table.require(column.source));
  return fields;
}

}  // namespace mal

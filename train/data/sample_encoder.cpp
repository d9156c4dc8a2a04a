#include "train/data/sample_encoder.h"

#include <xxhash.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "engine/error.h"

namespace mal {

namespace {

constexpr char kListSeparator = '|';

// The items of a list field; an empty field is an empty list.
void split_list(std::string_view field, std::vector<std::string_view>& items) {
  items.clear();
  while (!field.empty()) {
    const std::size_t end = field.find(kListSeparator);
    items.push_back(field.substr(0, end));
    if (end == std::string_view::npos) return;
    field.remove_prefix(end + 1);
    if (field.empty()) items.emplace_back();
  }
}

float parse_score(const TextTable& table, int field, std::string_view item) {
  float score = 0;
  const auto [end, code] = std::from_chars(item.data(), item.data() + item.size(), score);
  if (code != std::errc() || end != item.data() + item.size())
    fail("{}: '{}' is not a number; scores are numbers in [-1, 1] with '|' between them", table.where(field),
         item.substr(0, 40));
  if (std::isnan(score)) fail("{}: a score is NaN; leave unknown scores out of the list", table.where(field));
  return score;
}

double transformed(const Column& column, const TextTable& table, int field) {
  const double value = table.number(field);
  if (!column.log1p) return value;
  if (value <= -1) fail("{}: log1p of {} is not defined; set log1p: false in the schema", table.where(field), value);
  return std::log1p(value);
}

// A user is the same key in every file: its number, or the hash of its text.
std::int64_t group_key(std::string_view value) {
  std::int64_t number = 0;
  const auto [end, code] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (code == std::errc() && end == value.data() + value.size()) return number;
  return static_cast<std::int64_t>(XXH3_64bits(value.data(), value.size()));
}

}  // namespace

FittedColumns::FittedColumns(const Schema& schema)
    : tables(schema.tables.size()), numbers(schema.columns.size()), slices(schema.columns.size()) {}

double FittedColumns::Number::deviation() const {
  const double variance = count > 0 ? squares / count : 0;
  return variance > 0 ? std::sqrt(variance) : 1.0;
}

void FittedColumns::count(const Schema& schema, const TextTable& table, const std::vector<int>& fields) {
  std::vector<std::string_view> items;
  for (std::size_t c = 0; c < schema.columns.size(); ++c) {
    const Column& column = schema.columns[c];
    if (column.kind == ColumnKind::number && column.standardize) {
      Number& number = numbers[c];
      const double value = transformed(column, table, fields[c]);
      const double away = value - number.mean;
      number.mean += away / ++number.count;
      number.squares += away * (value - number.mean);
    }
    if (column.table.empty()) continue;
    const auto index = static_cast<std::size_t>(schema.table_index(column.table));
    if (schema.tables[index].hash_buckets != 0) continue;
    const std::string_view field = table.field(fields[c]);
    if (column.kind == ColumnKind::id)
      items.assign(field.empty() ? 0 : 1, field);
    else
      split_list(field, items);
    for (const std::string_view item : items)
      if (!item.empty()) tables[index].count(item);
  }
}

void FittedColumns::finish(Schema& schema) {
  for (std::size_t t = 0; t < tables.size(); ++t) {
    TableSpec& spec = schema.tables[t];
    if (spec.hash_buckets == 0) tables[t].assign(spec.min_count);
    spec.rows = spec.hash_buckets == 0 ? tables[t].rows() : spec.hash_buckets;
  }
}

SampleEncoder::SampleEncoder(const Schema& schema, FittedColumns& fitted)
    : schema_(schema), fitted_(fitted), cells_(schema.columns.size()), counts_(schema.columns.size()) {
  for (std::size_t c = 0; c < schema.columns.size(); ++c) {
    const Column& column = schema.columns[c];
    table_of_.push_back(column.table.empty() ? -1 : schema.table_index(column.table));
    if (!column.table.empty()) cells_[c].ids.resize(static_cast<std::size_t>(column.length));
    if (column.kind == ColumnKind::slice) cells_[c].ids.resize(1);
    cells_[c].values.resize(static_cast<std::size_t>(column.length));
  }
}

void SampleEncoder::encode(const TextTable& table, const std::vector<int>& fields) {
  for (std::size_t c = 0; c < schema_.columns.size(); ++c) {
    const int field = fields[c];
    switch (schema_.columns[c].kind) {
      case ColumnKind::id:
      case ColumnKind::ids:
      case ColumnKind::sequence:
        encode_ids(c, table.field(field));
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
      case ColumnKind::group:
        cells_[c].key = group_key(table.field(field));
        break;
      case ColumnKind::slice:
        cells_[c].ids[0] = fitted_.slices[c].code(table.field(field));
        break;
      case ColumnKind::time:
        encode_time(c, table, field);
        break;
    }
  }
  ++rows_;
}

std::int32_t SampleEncoder::id_of(std::size_t column, std::string_view value) {
  ColumnCounts& counts = counts_[column];
  ++counts.values;
  if (value.empty()) {
    ++counts.missing;
    return 0;
  }
  const auto index = static_cast<std::size_t>(table_of_[column]);
  const std::int64_t buckets = schema_.tables[index].hash_buckets;
  if (buckets != 0)
    return static_cast<std::int32_t>(XXH3_64bits(value.data(), value.size()) & static_cast<std::uint64_t>(buckets - 1));
  const std::int32_t id = fitted_.tables[index].find(value);
  if (id == 0) ++counts.unseen;
  return id;
}

void SampleEncoder::encode_ids(std::size_t column, std::string_view field) {
  EncodedCell& cell = cells_[column];
  if (schema_.columns[column].kind == ColumnKind::id) {
    cell.ids[0] = id_of(column, field);
    return;
  }
  split_list(field, items_);
  const std::size_t length = cell.ids.size();
  if (items_.size() > length) ++counts_[column].truncated;
  const std::size_t first = items_.size() > length ? items_.size() - length : 0;  // the newest stand last
  std::ranges::fill(cell.ids, 0);
  for (std::size_t i = first; i < items_.size(); ++i) cell.ids[i - first] = id_of(column, items_[i]);
  cell.length = static_cast<std::int32_t>(items_.size() - first);
}

void SampleEncoder::encode_scores(std::size_t column, const TextTable& table, int field) {
  EncodedCell& cell = cells_[column];
  ColumnCounts& counts = counts_[column];
  split_list(table.field(field), items_);
  const std::size_t length = cell.values.size();
  if (items_.size() > length) ++counts.truncated;
  const std::size_t first = items_.size() > length ? items_.size() - length : 0;
  std::ranges::fill(cell.values, 0.0F);
  for (std::size_t i = first; i < items_.size(); ++i) {
    const float score = parse_score(table, field, items_[i]);
    ++counts.values;
    if (score < -1 || score > 1) ++counts.clamped;
    cell.values[i - first] = std::clamp(score, -1.0F, 1.0F);
  }
  cell.length = static_cast<std::int32_t>(items_.size() - first);
}

void SampleEncoder::encode_number(std::size_t column, const TextTable& table, int field) {
  const Column& spec = schema_.columns[column];
  double value = transformed(spec, table, field);
  if (spec.standardize) {
    const FittedColumns::Number& number = fitted_.numbers[column];
    value = (value - number.mean) / number.deviation();
  }
  const auto stored = static_cast<float>(value);
  if (!std::isfinite(stored)) fail("{}: {} is too large for a 32-bit float", table.where(field), value);
  cells_[column].values[0] = stored;
}

void SampleEncoder::encode_credit(std::size_t column, const TextTable& table, int field) {
  const double credit = table.number(field);
  if (!(credit >= 0 && credit <= 1))
    fail("{}: credit {} is outside [0, 1]; it is the share of a conversion that this click gets", table.where(field),
         credit);
  if (credit > 0) ++counts_[column].positives;
  counts_[column].credit += credit;
  cells_[column].values[0] = static_cast<float>(credit);
}

void SampleEncoder::encode_time(std::size_t column, const TextTable& table, int field) {
  const std::int64_t time = table.integer(field);
  if (rows_ == 0) first_time_ = time;
  if (rows_ > 0 && time < last_time_)
    fail("{}: time {} is before the previous row's {}; rows must be sorted by time", table.where(field), time,
         last_time_);
  last_time_ = time;
  cells_[column].key = time;
}

std::vector<int> find_fields(const Schema& schema, const TextTable& table) {
  std::vector<int> fields;
  for (const Column& column : schema.columns) fields.push_back(table.require(column.source));
  return fields;
}

}  // namespace mal

#include "train/data/sample_encoder.h"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>

#include "engine/error.h"
#include "train/data/dataset_layout.h"
#include "train/data/parse_number.h"

namespace mal {

namespace {

constexpr char kListSeparator = '|';

// 0x80 in each byte of `word` that is the separator, 0 in the others.
std::uint64_t separators_in(std::uint64_t word) {
  constexpr std::uint64_t kOnes = 0x0101010101010101, kLow = 0x7F * kOnes;
  const std::uint64_t other = word ^ (kOnes * static_cast<unsigned char>(kListSeparator));  // 0 where it is one
  return ~(((other & kLow) + kLow) | other | kLow);
}

// The items of a list field; an empty field is an empty list. Items are short, so eight bytes at a time are faster than
// a search for each separator.
void split_list(std::string_view field, std::vector<std::string_view>& items) {
  items.clear();
  if (field.empty()) return;
  const char* begin = field.data();
  std::size_t start = 0;
  for (std::size_t at = 0; at < field.size(); at += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, begin + at, std::min(sizeof(word), field.size() - at));
    if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
    for (std::uint64_t found = separators_in(word); found != 0; found &= found - 1) {
      const std::size_t end = at + static_cast<std::size_t>(std::countr_zero(found)) / 8;
      items.emplace_back(begin + start, end - start);
      start = end + 1;
    }
  }
  items.emplace_back(begin + start, field.size() - start);
}

double parse_score(const TextTable& table, int field, std::string_view item) {
  const std::optional<double> score = parse_number(item);
  if (!score)
    fail("{}: '{}' is not a number; scores are numbers in [-1, 1] with '|' between them", table.where(field),
         item.substr(0, 40));
  if (!std::isfinite(*score))
    fail("{}: a score is {}; leave unknown scores out of the list", table.where(field), *score);
  return *score;
}

double transformed(const Column& column, double value, const TextTable& table, int field) {
  if (!column.log1p) return value;
  if (value <= -1) fail("{}: log1p of {} is not defined; set log1p: false in the schema", table.where(field), value);
  return std::log1p(value);
}

// A user is the same key in every file: its number, or the hash of its text. "7" is a number, "07" is text: they are
// two users.
std::int64_t group_key(std::string_view value) {
  const std::string_view digits = value.substr(value.starts_with('-') ? 1 : 0);
  if (!digits.starts_with('0') || value == "0") {
    std::int64_t number = 0;
    const auto [end, code] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (code == std::errc() && end == value.data() + value.size()) return number;
  }
  return static_cast<std::int64_t>(XXH3_64bits(value.data(), value.size()));
}

void add_value(ColumnStats& stats, double value) {
  stats.minimum = stats.values == 0 ? value : std::min(stats.minimum, value);
  stats.maximum = stats.values == 0 ? value : std::max(stats.maximum, value);
  stats.sum += value;
  ++stats.values;
}

}  // namespace

FittedColumns::FittedColumns(const Schema& schema)
    : tables(schema.tables.size()),
      numbers(schema.columns.size()),
      slices(schema.columns.size()),
      columns_(schema.columns),
      moments_(schema.columns.size()) {
  for (const Column& column : columns_) {
    const int table = column.table.empty() ? -1 : schema.table_index(column.table);
    counted_.push_back(table < 0 || schema.tables[static_cast<std::size_t>(table)].hash_buckets != 0 ? -1 : table);
  }
}

void FittedColumns::count(const TextTable& table, const std::vector<int>& fields) {
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    const Column& column = columns_[c];
    if (column.standardize) {
      Moments& moments = moments_[c];
      const double value = transformed(column, table.number(fields[c]), table, fields[c]);
      const double away = value - moments.mean;
      moments.mean += away / ++moments.count;
      moments.squares += away * (value - moments.mean);
    }
    if (counted_[c] < 0) continue;
    Vocabulary& vocabulary = tables[static_cast<std::size_t>(counted_[c])];
    const std::string_view field = table.field(fields[c]);
    if (column.kind == ColumnKind::id) {
      if (!field.empty()) vocabulary.count(field);
      continue;
    }
    split_list(field, items_);
    for (const std::string_view item : items_)
      if (!item.empty()) vocabulary.count(item);
  }
}

void FittedColumns::finish(Schema& schema) {
  for (std::size_t t = 0; t < tables.size(); ++t) {
    TableSpec& spec = schema.tables[t];
    if (spec.hash_buckets == 0) tables[t].assign(spec.min_count);
    spec.rows = spec.hash_buckets == 0 ? tables[t].rows() : spec.hash_buckets;
  }
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    if (!columns_[c].standardize) continue;
    const double variance = moments_[c].count > 0 ? moments_[c].squares / moments_[c].count : 0;
    if (!std::isfinite(variance))
      fail("column '{}': its values are too large for a variance; set standardize: false in the schema",
           columns_[c].name);
    // A constant column: every value becomes 0.
    numbers[c] = {moments_[c].mean, variance > 0 ? std::sqrt(variance) : 1.0};
  }
}

SampleEncoder::SampleEncoder(const Schema& schema, FittedColumns& fitted, std::int64_t not_before)
    : schema_(schema), fitted_(fitted), not_before_(not_before) {
  stats_.columns.resize(schema.columns.size());
  block_.columns.resize(schema.columns.size());
  for (std::size_t c = 0; c < schema.columns.size(); ++c) {
    const Column& column = schema.columns[c];
    table_of_.push_back(column.table.empty() ? -1 : schema.table_index(column.table));
    resize_column(column, kBlockRows, block_.columns[c]);
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
        encode_list(c, table.field(field));
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
        if (table.field(field).empty())
          fail("{}: the group is empty; rows of unknown users would count as one user, leave them out",
               table.where(field));
        out.keys[row_] = group_key(table.field(field));
        break;
      case ColumnKind::slice:
        out.ids[row_] = fitted_.slices[c].code(table.field(field));
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
  if (buckets != 0)
    return static_cast<std::int32_t>(XXH3_64bits(value.data(), value.size()) & static_cast<std::uint64_t>(buckets - 1));
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

void SampleEncoder::encode_list(std::size_t column, std::string_view field) {
  const auto length = static_cast<std::size_t>(schema_.columns[column].length);
  BatchColumn& out = block_.columns[column];
  std::int32_t* ids = out.ids.data() + row_ * length;
  split_list(field, items_);
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
  split_list(table.field(field), items_);
  std::size_t at = 0;
  for (std::size_t i = newest(column); i < items_.size(); ++i) {
    const double score = parse_score(table, field, items_[i]);
    ++stats.values;
    stats.clamped += score < -1 || score > 1 ? 1 : 0;
    values[at++] = static_cast<float>(std::clamp(score, -1.0, 1.0));
  }
  out.lengths[row_] = static_cast<std::int32_t>(at);
  std::fill(values + at, values + length, 0.0F);
}

void SampleEncoder::encode_number(std::size_t column, const TextTable& table, int field) {
  const NumberScale& scale = fitted_.numbers[column];
  const double value = table.number(field);
  add_value(stats_.columns[column], value);
  const auto stored =
      static_cast<float>((transformed(schema_.columns[column], value, table, field) - scale.mean) / scale.deviation);
  if (!std::isfinite(stored)) fail("{}: {} is too large for a 32-bit float", table.where(field), value);
  block_.columns[column].values[row_] = stored;
}

void SampleEncoder::encode_credit(std::size_t column, const TextTable& table, int field) {
  const double credit = table.number(field);
  if (!(credit >= 0 && credit <= 1))
    fail("{}: credit {} is outside [0, 1]; it is the share of a conversion that this click gets", table.where(field),
         credit);
  // As it is stored: a credit below the smallest float is none.
  const auto stored = static_cast<float>(credit);
  stats_.columns[column].positives += stored > 0 ? 1 : 0;
  stats_.columns[column].sum += static_cast<double>(stored);
  block_.columns[column].values[row_] = stored;
}

void SampleEncoder::encode_time(std::size_t column, const TextTable& table, int field) {
  const std::int64_t time = table.integer(field);
  if (stats_.rows == 0) {
    if (time < not_before_)
      fail(
          "{}: the test data begins at time {}, before the training data ends ({}); split by time, for example with "
          "mal_data attribute --test-days 1",
          table.where(field), time, not_before_);
    stats_.first_time = time;
  } else if (time < stats_.last_time) {
    fail(
        "{}: time {} is before the previous row's {}; sort the rows by time (sort -t, -k{},{}n) and name the files in "
        "the order of time",
        table.where(field), time, stats_.last_time, field + 1, field + 1);
  }
  stats_.last_time = time;
  block_.columns[column].keys[row_] = time;
}

std::vector<int> find_fields(const Schema& schema, const TextTable& table) {
  std::vector<int> fields;
  for (const Column& column : schema.columns) fields.push_back(table.require(column.source));
  return fields;
}

}  // namespace mal

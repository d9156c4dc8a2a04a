#include "train/data/fitted_columns.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "engine/error.h"
#include "train/data/number_field.h"

namespace mal {

FittedColumns::FittedColumns(const Schema& schema)
    : tables(schema.tables.size()),
      memories(schema.tables.size()),
      numbers(schema.columns.size()),
      slices(schema.columns.size()),
      columns_(schema.columns),
      specs_(schema.tables),
      given_(schema.tables.size(), false),
      integer_counts_(schema.tables.size()),
      entry_counts_(schema.columns.size()),
      mutexes_(schema.tables.size()),
      indices_(schema.tables.size()),
      moments_(schema.columns.size()) {
  for (const Column& column : columns_) {
    const int table = column.table.empty() ? -1 : schema.table_index(column.table);
    scaled_.push_back(column.fitted());
    counted_.push_back(table < 0 || schema.tables[static_cast<std::size_t>(table)].hash_buckets != 0 ? -1 : table);
  }
  find_clock();
}

void FittedColumns::find_clock() {
  clock_ = -1;
  for (std::size_t t = 0; t < specs_.size(); ++t)
    for (std::size_t c = 0; c < columns_.size(); ++c)
      if (specs_[t].evict_by_time && !given_[t] && columns_[c].kind == ColumnKind::time) clock_ = static_cast<int>(c);
}

void FittedColumns::count(const TextTable& table, const std::vector<int>& fields) {
  if (clock_ >= 0) last_time = floor_seconds(table.time(fields[static_cast<std::size_t>(clock_)]));
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    const Column& column = columns_[c];
    if (scaled_[c]) add_number(c, number_of(column, table, fields[c]), [&] { return table.where(fields[c]); });
    if (counted_[c] < 0) continue;
    Vocabulary& vocabulary = tables[static_cast<std::size_t>(counted_[c])];
    const std::string_view field = table.field(fields[c]);
    if (column.kind == ColumnKind::id) {
      if (!field.empty() && vocabulary.count(field)) check_utf8(field, [&] { return table.where(fields[c]); });
      continue;
    }
    split_checked_list(field, items_, [&] { return table.where(fields[c]); });
    for (const std::string_view item : items_)
      if (!item.empty() && vocabulary.count(item)) check_utf8(item, [&] { return table.where(fields[c]); });
  }
}

void FittedColumns::count(const SourceBlock& block, std::size_t column) {
  const SourceColumn& values = block.columns.front();
  check_source(columns_[column], values, block.path);
  if (scaled_[column]) count_numbers(block, values, column);
  if (counted_[column] >= 0) count_ids(values, column, static_cast<std::size_t>(counted_[column]));
  if (static_cast<int>(column) == clock_) read_clock(block, values);
}

// That the rows are in the order of time, and have one, is found when they are encoded.
void FittedColumns::read_clock(const SourceBlock& block, const SourceColumn& values) {
  for (std::size_t v = values.values(); v-- > 0;)
    if (!values.is_null(v)) {
      last_time = seconds_at(values, values.place(v), time, [&] {
        return block.where(static_cast<std::int64_t>(v), columns_[static_cast<std::size_t>(clock_)].source);
      });
      return;
    }
}

// Codes are counted by themselves; what they stand for is looked up once, where the dictionary ends.
void FittedColumns::count_ids(const SourceColumn& values, std::size_t column, std::size_t table) {
  if (values.type == SourceType::none) return;
  if (values.dictionary == 0) {
    const std::lock_guard lock(mutexes_[table]);
    for (std::size_t v = 0; v < values.entries(); ++v)
      if (!values.is_null(v)) count_entry(values, table, v, 1);
    return;
  }
  std::vector<std::int64_t>& counts = entry_counts_[column];
  counts.resize(values.entries());
  if (values.null_value.empty()) {
    for (const std::int32_t code : values.codes) ++counts[static_cast<std::size_t>(code)];
  } else {
    for (std::size_t v = 0; v < values.codes.size(); ++v)
      if (values.null_value[v] == 0) ++counts[static_cast<std::size_t>(values.codes[v])];
  }
  if (!values.dictionary_ends) return;
  const std::lock_guard lock(mutexes_[table]);
  for (std::size_t e = 0; e < counts.size(); ++e)
    if (counts[e] != 0) count_entry(values, table, e, counts[e]);
  counts.clear();
}

void FittedColumns::count_entry(const SourceColumn& values, std::size_t table, std::size_t place, std::int64_t times) {
  if (values.type == SourceType::text) {
    if (!values.texts[place].empty()) tables[table].count(values.texts[place], times);
  } else if (values.type == SourceType::natural && values.integers[place] < 0) {
    const fmt::format_int text(static_cast<std::uint64_t>(values.integers[place]));
    tables[table].count({text.data(), text.size()}, times);
  } else {
    integer_counts_[table].count(values.integers[place], times);
  }
}

void FittedColumns::count_numbers(const SourceBlock& block, const SourceColumn& values, std::size_t column) {
  for (std::int64_t r = 0; r < block.rows; ++r) {
    const auto where = [&] { return block.where(r, columns_[column].source); };
    add_number(column, number_of(columns_[column], values, r, where), where);
  }
}

void FittedColumns::give(int table, Vocabulary vocabulary) {
  const auto index = static_cast<std::size_t>(table);
  tables[index] = std::move(vocabulary);
  given_[index] = true;
  for (int& counted : counted_)
    if (counted == table) counted = -1;
  find_clock();
}

void FittedColumns::give_scale(std::size_t column, const NumberScale& scale) {
  numbers[column] = scale;
  scaled_[column] = false;
}

bool FittedColumns::needs_data() const {
  for (std::size_t c = 0; c < columns_.size(); ++c)
    if (counts(c)) return true;
  return false;
}

const IntegerIndex& FittedColumns::integers(int table) {
  const auto index = static_cast<std::size_t>(table);
  const std::lock_guard lock(mutexes_[index]);
  if (!indices_[index]) indices_[index] = std::make_unique<IntegerIndex>(tables[index]);
  return *indices_[index];
}

void FittedColumns::Moments::add(double value) {
  const double away = value - mean;
  mean += away / ++count;
  squares += away * (value - mean);
}

void FittedColumns::finish(Schema& schema) {
  for (std::size_t t = 0; t < tables.size(); ++t) {
    TableSpec& spec = schema.tables[t];
    if (spec.hash_buckets == 0 && !given_[t]) {
      integer_counts_[t].add_to(tables[t]);
      integer_counts_[t] = IntegerCounts();
      if (spec.evict > 0)
        memories[t] = renumber(tables[t], memories[t], spec, last_time.value_or(memories[t].now));
      else
        tables[t].assign(spec.min_count);
    }
    spec.rows = spec.hash_buckets == 0 ? tables[t].rows() : spec.hash_buckets;
  }
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    if (!scaled_[c]) continue;
    const double variance = moments_[c].count > 0 ? moments_[c].squares / moments_[c].count : 0;
    if (!std::isfinite(variance))
      fail("column '{}': its values are too large for a variance; set standardize: false in the schema",
           columns_[c].name);
    numbers[c].fill = moments_[c].mean;
    if (!columns_[c].standardize) continue;
    // A constant column: every value becomes 0.
    numbers[c].mean = moments_[c].mean;
    numbers[c].deviation = variance > 0 ? std::sqrt(variance) : 1.0;
  }
}

}  // namespace mal

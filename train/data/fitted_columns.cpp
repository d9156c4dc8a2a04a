#include "train/data/fitted_columns.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "engine/error.h"
#include "train/config/parallel.h"
#include "train/data/sample_values.h"

namespace mal {

FittedColumns::FittedColumns(const Schema& schema)
    : tables(schema.tables.size()),
      numbers(schema.columns.size()),
      slices(schema.columns.size()),
      columns_(schema.columns),
      given_(schema.tables.size(), false),
      integer_counts_(schema.tables.size()),
      indices_(schema.tables.size()),
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
      moments_[c].add(transformed_number(column, table.number(fields[c]), [&] { return table.where(fields[c]); }));
    }
    if (counted_[c] < 0) continue;
    Vocabulary& vocabulary = tables[static_cast<std::size_t>(counted_[c])];
    const std::string_view field = table.field(fields[c]);
    if (column.kind == ColumnKind::id) {
      if (!field.empty() && vocabulary.count(field)) check_utf8(field, [&] { return table.where(fields[c]); });
      continue;
    }
    split_list(field, items_);
    for (const std::string_view item : items_)
      if (!item.empty() && vocabulary.count(item)) check_utf8(item, [&] { return table.where(fields[c]); });
  }
}

// Columns that share a table are counted by one thread, one after the other.
void FittedColumns::count(const SourceBlock& block, const std::vector<int>& fields, int threads) {
  parallel_for(tables.size() + 1, threads, [&](std::size_t task) {
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      if (!counts(c)) continue;
      const SourceColumn& values = block.columns[static_cast<std::size_t>(fields[c])];
      if (task == tables.size() && columns_[c].standardize)
        count_numbers(block, values, c);
      else if (counted_[c] == static_cast<int>(task))
        count_ids(values, task);
    }
  });
}

void FittedColumns::count_ids(const SourceColumn& values, std::size_t table) {
  if (values.type == SourceType::none) return;
  const auto each = [&](const auto& list, const auto& add) {
    for (std::size_t i = 0; i < list.size(); ++i)
      if (!values.is_null(i)) add(list[i]);
  };
  const auto add_integer = [&](std::int64_t value) { integer_counts_[table].count(value); };
  const auto add_natural = [&](std::int64_t bits) {
    if (bits >= 0) return integer_counts_[table].count(bits);
    tables[table].count(fmt::format_int(static_cast<std::uint64_t>(bits)).c_str());
  };
  const auto add_text = [&](std::string_view value) {
    if (!value.empty()) tables[table].count(value);
  };
  if (values.type == SourceType::natural)
    each(values.integers, add_natural);
  else if (values.type == SourceType::integer)
    each(values.integers, add_integer);
  else
    each(values.texts, add_text);
}

void FittedColumns::count_numbers(const SourceBlock& block, const SourceColumn& values, std::size_t column) {
  for (std::int64_t r = 0; r < block.rows; ++r) {
    const auto where = [&] { return block.where(r, columns_[column].source); };
    moments_[column].add(transformed_number(columns_[column], number_at(values, r, where), where));
  }
}

void FittedColumns::give(int table, Vocabulary vocabulary) {
  const auto index = static_cast<std::size_t>(table);
  tables[index] = std::move(vocabulary);
  given_[index] = true;
  for (int& counted : counted_)
    if (counted == table) counted = -1;
}

bool FittedColumns::needs_data() const {
  for (std::size_t c = 0; c < columns_.size(); ++c)
    if (counts(c)) return true;
  return false;
}

const IntegerIndex& FittedColumns::integers(int table) {
  const auto index = static_cast<std::size_t>(table);
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
      tables[t].assign(spec.min_count);
    }
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

}  // namespace mal

#include "train/data/block_encoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "engine/error.h"
#include "train/config/parallel.h"
#include "train/data/dataset_layout.h"
#include "train/data/sample_values.h"

namespace mal {

namespace {

bool holds_integers(const SourceColumn& source) {
  return source.type == SourceType::integer || source.type == SourceType::natural;
}

// The text of a value that is an integer or text.
class ValueText {
 public:
  explicit ValueText(const SourceColumn& source) : source_(source) {}
  std::string_view operator()(std::size_t place) {
    if (source_.type == SourceType::text) return source_.texts[place];
    const std::int64_t value = source_.integers[place];
    const auto formatted = source_.type == SourceType::natural ? fmt::format_int(static_cast<std::uint64_t>(value))
                                                               : fmt::format_int(value);
    size_ = formatted.size();
    std::copy_n(formatted.data(), size_, digits_);
    return {digits_, size_};
  }

 private:
  const SourceColumn& source_;
  char digits_[24] = {};
  std::size_t size_ = 0;
};

}  // namespace

BlockEncoder::BlockEncoder(const Schema& schema, FittedColumns& fitted, std::int64_t not_before, int threads)
    : schema_(schema), fitted_(fitted), not_before_(not_before), threads_(threads) {
  stats_.columns.resize(schema.columns.size());
  batch_.columns.resize(schema.columns.size());
  integers_.resize(schema.columns.size());
  for (const Column& column : schema.columns)
    table_of_.push_back(column.table.empty() ? -1 : schema.table_index(column.table));
}

const Batch& BlockEncoder::encode(const SourceBlock& block, const std::vector<int>& fields) {
  const std::size_t columns = schema_.columns.size();
  for (std::size_t c = 0; c < columns; ++c) {
    const SourceColumn& source = block.columns[static_cast<std::size_t>(fields[c])];
    check_source(schema_.columns[c], source, block.path);
    resize_column(schema_.columns[c], block.rows, batch_.columns[c]);
    if (table_of_[c] < 0 || !holds_integers(source)) continue;
    if (schema_.tables[static_cast<std::size_t>(table_of_[c])].hash_buckets == 0)
      integers_[c] = &fitted_.integers(table_of_[c]);
  }
  batch_.rows = block.rows;
  parallel_for(columns, threads_,
               [&](std::size_t c) { encode_column(c, block, block.columns[static_cast<std::size_t>(fields[c])]); });
  stats_.rows += block.rows;
  return batch_;
}

void BlockEncoder::encode_column(std::size_t column, const SourceBlock& block, const SourceColumn& source) {
  switch (schema_.columns[column].kind) {
    case ColumnKind::id:
    case ColumnKind::ids:
    case ColumnKind::sequence:
      return encode_ids(column, block, source);
    case ColumnKind::scores:
      return encode_scores(column, block, source);
    case ColumnKind::number:
    case ColumnKind::credit:
      return encode_numbers(column, block, source);
    case ColumnKind::group:
      return encode_groups(column, block, source);
    case ColumnKind::slice:
      return encode_slices(column, block, source);
    case ColumnKind::time:
      return encode_times(column, block, source);
  }
}

void BlockEncoder::encode_ids(std::size_t column, const SourceBlock& block, const SourceColumn& source) {
  const auto table = static_cast<std::size_t>(table_of_[column]);
  const std::int64_t buckets = schema_.tables[table].hash_buckets;
  const Vocabulary& vocabulary = fitted_.tables[table];
  ValueText text(source);
  if (buckets != 0)
    return store_ids(column, block, source, [&](std::size_t place) { return hash_bucket(text(place), buckets); });
  if (source.type == SourceType::text)
    return store_ids(column, block, source, [&](std::size_t place) { return vocabulary.find(source.texts[place]); });
  const IntegerIndex* index = integers_[column];
  if (source.type == SourceType::natural)
    return store_ids(column, block, source, [&](std::size_t place) {
      return source.integers[place] >= 0 ? index->find(source.integers[place]) : vocabulary.find(text(place));
    });
  return store_ids(column, block, source, [&](std::size_t place) { return index->find(source.integers[place]); });
}

template <typename Lookup>
void BlockEncoder::store_ids(std::size_t column, const SourceBlock& block, const SourceColumn& source,
                             const Lookup& lookup) {
  ColumnStats& stats = stats_.columns[column];
  BatchColumn& out = batch_.columns[column];
  const bool hashed = schema_.tables[static_cast<std::size_t>(table_of_[column])].hash_buckets != 0;
  const bool texts = source.type == SourceType::text;
  std::int64_t missing = 0, unseen = 0;
  const auto id_at = [&](std::size_t place) {
    if (source.is_null(place) || (texts && source.texts[place].empty())) {
      ++missing;
      return 0;
    }
    const std::int32_t id = lookup(place);
    unseen += id == 0 ? 1 : 0;
    return id;
  };
  if (schema_.columns[column].kind == ColumnKind::id) {
    for (std::int64_t r = 0; r < block.rows; ++r)
      out.ids[static_cast<std::size_t>(r)] = id_at(static_cast<std::size_t>(r));
    stats.values += block.rows;
  } else {
    const std::int64_t length = schema_.columns[column].length;
    for (std::int64_t r = 0; r < block.rows; ++r) {
      const auto row = static_cast<std::size_t>(r);
      const std::int64_t count = source.list_end(r) - source.list_begin(r), kept = std::min(count, length);
      stats.truncated += count > length ? 1 : 0;
      std::int32_t* ids = out.ids.data() + r * length;
      for (std::int64_t i = 0; i < kept; ++i) ids[i] = id_at(static_cast<std::size_t>(source.list_end(r) - kept + i));
      std::fill(ids + kept, ids + length, 0);
      out.lengths[row] = static_cast<std::int32_t>(kept);
      stats.values += kept;
    }
  }
  stats.missing += missing;
  if (!hashed) stats.unseen += unseen;
}

void BlockEncoder::encode_scores(std::size_t column, const SourceBlock& block, const SourceColumn& source) {
  ColumnStats& stats = stats_.columns[column];
  BatchColumn& out = batch_.columns[column];
  const std::int64_t length = schema_.columns[column].length;
  for (std::int64_t r = 0; r < block.rows; ++r) {
    const auto row = static_cast<std::size_t>(r);
    const auto where = [&] { return block.where(r, schema_.columns[column].source); };
    const std::int64_t count = source.list_end(r) - source.list_begin(r), kept = std::min(count, length);
    stats.truncated += count > length ? 1 : 0;
    float* values = out.values.data() + r * length;
    for (std::int64_t i = 0; i < kept; ++i)
      values[i] = stored_score(number_at(source, source.list_end(r) - kept + i, where), stats, where);
    std::fill(values + kept, values + length, 0.0F);
    out.lengths[row] = static_cast<std::int32_t>(kept);
  }
}

void BlockEncoder::encode_numbers(std::size_t column, const SourceBlock& block, const SourceColumn& source) {
  const Column& spec = schema_.columns[column];
  ColumnStats& stats = stats_.columns[column];
  float* values = batch_.columns[column].values.data();
  for (std::int64_t r = 0; r < block.rows; ++r) {
    const auto where = [&] { return block.where(r, spec.source); };
    const double value = number_at(source, r, where);
    values[r] = spec.kind == ColumnKind::credit ? stored_credit(value, stats, where)
                                                : stored_number(spec, fitted_.numbers[column], value, stats, where);
  }
}

void BlockEncoder::encode_groups(std::size_t column, const SourceBlock& block, const SourceColumn& source) {
  std::int64_t* keys = batch_.columns[column].keys.data();
  ValueText text(source);
  for (std::int64_t r = 0; r < block.rows; ++r) {
    const auto place = static_cast<std::size_t>(r);
    if (source.is_null(place) || (source.type == SourceType::text && source.texts[place].empty()))
      fail("{}: the group is empty; rows of unknown users would count as one user, leave them out",
           block.where(r, schema_.columns[column].source));
    keys[r] = source.type == SourceType::integer ? source.integers[place] : group_key(text(place));
  }
}

void BlockEncoder::encode_slices(std::size_t column, const SourceBlock& block, const SourceColumn& source) {
  ValueText text(source);
  for (std::int64_t r = 0; r < block.rows; ++r) {
    const auto place = static_cast<std::size_t>(r);
    batch_.columns[column].ids[place] =
        stored_slice(schema_.columns[column], fitted_.slices[column], source.is_null(place) ? "" : text(place),
                     [&] { return block.where(r, schema_.columns[column].source); });
  }
}

void BlockEncoder::encode_times(std::size_t column, const SourceBlock& block, const SourceColumn& source) {
  for (std::int64_t r = 0; r < block.rows; ++r) {
    const auto place = static_cast<std::size_t>(r);
    const auto where = [&] { return block.where(r, schema_.columns[column].source); };
    if (source.is_null(place)) fail("{}: the time is null", where());
    check_time(source.integers[place], stats_.rows + r, not_before_, stats_, where,
               [] { return "sort the rows by time before they are written"; });
    batch_.columns[column].keys[place] = source.integers[place];
  }
}

}  // namespace mal

#include "train/data/column_encoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "engine/error.h"
#include "train/data/dataset_layout.h"
#include "train/data/group_name.h"
#include "train/data/number_field.h"
#include "train/data/sample_values.h"

namespace mal {

namespace {

// The text of an entry that is an integer or text.
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

constexpr std::int32_t kMissing = -1;

}  // namespace

ColumnEncoder::ColumnEncoder(const Schema& schema, std::size_t column, FittedColumns& fitted, std::int64_t not_before)
    : column_(schema.columns[column]),
      fitted_(fitted),
      index_(column),
      not_before_(not_before),
      table_(column_.table.empty() ? -1 : schema.table_index(column_.table)) {
  if (table_ >= 0) buckets_ = schema.tables[static_cast<std::size_t>(table_)].hash_buckets;
}

const BatchColumn& ColumnEncoder::encode(const SourceBlock& block) {
  const SourceColumn& source = block.columns.front();
  check_source(column_, source, block.path);
  resize_column(fitted_.raw_numbers ? part_column(column_) : column_, block.rows, out_);
  switch (column_.kind) {
    case ColumnKind::id:
    case ColumnKind::ids:
    case ColumnKind::sequence:
      encode_ids(block, source);
      break;
    case ColumnKind::scores:
      encode_scores(block, source);
      break;
    case ColumnKind::number:
    case ColumnKind::credit:
    case ColumnKind::weight:
      encode_numbers(block, source);
      break;
    case ColumnKind::group:
      encode_groups(block, source);
      break;
    case ColumnKind::slice:
      encode_slices(block, source);
      break;
    case ColumnKind::time:
      encode_times(block, source);
      break;
  }
  rows_ += block.rows;
  return out_;
}

void ColumnEncoder::encode_ids(const SourceBlock& block, const SourceColumn& source) {
  if (source.type == SourceType::none) return store_ids(block, source, [](std::size_t) { return kMissing; });
  ValueText text(source);
  if (buckets_ != 0)
    return find_ids(block, source, [&](std::size_t place) { return hash_bucket(text(place), buckets_); });
  const Vocabulary& vocabulary = fitted_.tables[static_cast<std::size_t>(table_)];
  if (source.type == SourceType::text)
    return find_ids(block, source, [&](std::size_t place) { return vocabulary.find(source.texts[place]); });
  const IntegerIndex& index = fitted_.integers(table_);
  if (source.type == SourceType::natural)
    return find_ids(block, source, [&](std::size_t place) {
      return source.integers[place] >= 0 ? index.find(source.integers[place]) : vocabulary.find(text(place));
    });
  return find_ids(block, source, [&](std::size_t place) { return index.find(source.integers[place]); });
}

// lookup: the id of an entry. Those of a dictionary are looked up once, when it is new.
template <typename Lookup>
void ColumnEncoder::find_ids(const SourceBlock& block, const SourceColumn& source, const Lookup& lookup) {
  const bool texts = source.type == SourceType::text;
  const auto id_of = [&](std::size_t place) { return texts && source.texts[place].empty() ? kMissing : lookup(place); };
  if (source.dictionary == 0)
    return store_ids(block, source, [&](std::size_t value) { return source.is_null(value) ? kMissing : id_of(value); });
  if (source.dictionary != dictionary_) {
    dictionary_ids_.resize(source.entries());
    for (std::size_t e = 0; e < dictionary_ids_.size(); ++e) dictionary_ids_[e] = id_of(e);
    dictionary_ = source.dictionary;
  }
  const std::int32_t* ids = dictionary_ids_.data();
  const std::int32_t* codes = source.codes.data();
  if (source.null_value.empty()) return store_ids(block, source, [&](std::size_t value) { return ids[codes[value]]; });
  store_ids(block, source,
            [&](std::size_t value) { return source.null_value[value] != 0 ? kMissing : ids[codes[value]]; });
}

template <typename IdAt>
void ColumnEncoder::store_ids(const SourceBlock& block, const SourceColumn& source, const IdAt& id_at) {
  std::int64_t missing = 0, unseen = 0;
  const auto stored = [&](std::size_t value) {
    const std::int32_t id = id_at(value);
    missing += id < 0 ? 1 : 0;
    unseen += id == 0 ? 1 : 0;
    return std::max(id, 0);
  };
  if (column_.kind == ColumnKind::id) {
    for (std::size_t r = 0; r < static_cast<std::size_t>(block.rows); ++r) out_.ids[r] = stored(r);
    stats_.values += block.rows;
  } else {
    const std::int64_t length = column_.length;
    for (std::int64_t r = 0; r < block.rows; ++r) {
      const std::int64_t count = source.list_end(r) - source.list_begin(r), kept = std::min(count, length);
      stats_.truncated += count > length ? 1 : 0;
      std::int32_t* ids = out_.ids.data() + r * length;
      const auto first = static_cast<std::size_t>(source.list_end(r) - kept);
      for (std::int64_t i = 0; i < kept; ++i) ids[i] = stored(first + static_cast<std::size_t>(i));
      std::fill(ids + kept, ids + length, 0);
      out_.lengths[static_cast<std::size_t>(r)] = static_cast<std::int32_t>(kept);
      stats_.values += kept;
    }
  }
  stats_.missing += missing;
  if (buckets_ == 0) stats_.unseen += unseen;
}

void ColumnEncoder::encode_scores(const SourceBlock& block, const SourceColumn& source) {
  const std::int64_t length = column_.length;
  for (std::int64_t r = 0; r < block.rows; ++r) {
    const auto where = [&] { return block.where(r, column_.source); };
    const std::int64_t count = source.list_end(r) - source.list_begin(r), kept = std::min(count, length);
    stats_.truncated += count > length ? 1 : 0;
    float* values = out_.values.data() + r * length;
    for (std::int64_t i = 0; i < kept; ++i)
      values[i] = stored_score(number_at(source, source.list_end(r) - kept + i, where), stats_, where);
    std::fill(values + kept, values + length, 0.0F);
    out_.lengths[static_cast<std::size_t>(r)] = static_cast<std::int32_t>(kept);
  }
}

void ColumnEncoder::encode_numbers(const SourceBlock& block, const SourceColumn& source) {
  const bool raw = fitted_.raw_numbers && column_.kind == ColumnKind::number;
  float* values = out_.values.data();
  for (std::int64_t r = 0; r < block.rows; ++r) {
    const auto where = [&] { return block.where(r, column_.source); };
    const double value = number_of(column_, source, r, where);
    if (raw) {
      out_.keys[static_cast<std::size_t>(r)] = raw_number(column_, value, where);
      continue;
    }
    values[r] = column_.kind == ColumnKind::credit ? stored_credit(value, stats_, where)
                : column_.kind == ColumnKind::weight
                    ? stored_weight(value, stats_, where)
                    : stored_number(column_, fitted_.numbers[index_], value, stats_, where);
  }
}

void ColumnEncoder::encode_groups(const SourceBlock& block, const SourceColumn& source) {
  ValueText text(source);
  for (std::size_t r = 0; r < static_cast<std::size_t>(block.rows); ++r) {
    const bool null = source.is_null(r);
    const std::size_t place = null ? 0 : source.place(r);
    if (null || source.type == SourceType::text)
      check_group(null ? std::string_view() : std::string_view(source.texts[place]),
                  [&] { return block.where(static_cast<std::int64_t>(r), column_.source); });
    out_.keys[r] = source.type == SourceType::integer ? source.integers[place] : group_key(text(place));
  }
}

void ColumnEncoder::encode_slices(const SourceBlock& block, const SourceColumn& source) {
  ValueText text(source);
  for (std::size_t r = 0; r < static_cast<std::size_t>(block.rows); ++r)
    out_.ids[r] = stored_slice(column_, fitted_.slices[index_], source.is_null(r) ? "" : text(source.place(r)),
                               [&] { return block.where(static_cast<std::int64_t>(r), column_.source); });
}

void ColumnEncoder::encode_times(const SourceBlock& block, const SourceColumn& source) {
  for (std::int64_t r = 0; r < block.rows; ++r) {
    const auto value = static_cast<std::size_t>(r);
    const auto where = [&] { return block.where(r, column_.source); };
    if (source.is_null(value)) fail("{}: the time is null", where());
    const std::int64_t time = seconds_at(source, source.place(value), fitted_.time, where);
    check_time(time, rows_ + r, not_before_, times_, where,
               [] { return "sort the rows by time before they are written"; });
    out_.keys[value] = time;
  }
}

}  // namespace mal

// What a single value of a sample may be and as what it is stored: the same for text and for columnar files. `where`
// is called only for a message and says the place: file:row:column.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include "engine/error.h"
#include "model/schema.h"
#include "train/data/dataset_stats.h"
#include "train/data/vocabulary.h"

namespace mal {

// The items of a list field, with '|' between them; an empty field is an empty list.
void split_list(std::string_view field, std::vector<std::string_view>& items);

// True for what Python, numpy, JSON and Postgres write for a list, tuple, set or array: ['a', 'b'], ["a"], [1, 2], [0.1
// 0.2], {a,b}, []. One id in brackets, as [promo] or [new]|[sale], is none.
bool is_list_literal(std::string_view field);

// The items of a field; throws where they are written otherwise, which would make one id of the whole list.
template <typename Where>
void split_checked_list(std::string_view field, std::vector<std::string_view>& items, const Where& where) {
  if (is_list_literal(field))
    fail(
        "{}: '{}{}' is a list as Python or JSON writes it; here a list has '|' between its items, and is empty where "
        "it "
        "has none: a|b (from pandas: df[c] = df[c].map(lambda items: '|'.join(map(str, items))), or Parquet)",
        where(), printable(field.substr(0, 40)), field.size() > 40 ? "…" : "");
  split_list(field, items);
}

// The bucket of a hashed table: the lower bits of XXH3-64.
std::int32_t hash_bucket(std::string_view value, std::int64_t buckets);

// A user is the same key in every file: its number, or the hash of its text. "7" is a number, "07" is text: they are
// two users.
std::int64_t group_key(std::string_view value);

// Asked of every name when it is first seen: vocabularies are JSON.
template <typename Where>
void check_utf8(std::string_view value, const Where& where) {
  if (!is_utf8(value))
    fail("{}: '{}' is not UTF-8; convert the file, for example with iconv -f latin1 -t utf-8", where(),
         printable(value));
}

template <typename Where>
std::int32_t stored_slice(const Column& column, SliceNames& names, std::string_view value, const Where& where) {
  const std::size_t known = names.names().size();
  const std::int32_t code = names.code(value);
  if (code < 0)
    fail("{}: slice column '{}' has more than {} values; slices are for columns of few values", where(), column.name,
         SliceNames::kMaxValues);
  if (names.names().size() > known) check_utf8(value, where);
  return code;
}

template <typename Where>
double transformed_number(const Column& column, double value, const Where& where) {
  if (!std::isfinite(value)) fail("{}: {} is not a finite number", where(), value);
  if (!column.log1p) return value;
  if (value <= -1) fail("{}: log1p of {} is not defined; set log1p: false in the schema", where(), value);
  return std::log1p(value);
}

// What the network gets of a missing number.
inline float stored_missing(const Column& column, const NumberScale& scale) {
  double value = scale.fill;
  if (column.default_value) value = column.log1p ? std::log1p(*column.default_value) : *column.default_value;
  return static_cast<float>((value - scale.mean) / scale.deviation);
}

// A missing number, where the column says what then, is NaN.
template <typename Where>
float stored_number(const Column& column, const NumberScale& scale, double value, ColumnStats& stats,
                    const Where& where) {
  if (std::isnan(value) && column.may_be_missing()) {
    ++stats.missing;
    if (!column.default_value) return stored_missing(column, scale);
    value = *column.default_value;
  }
  const double transformed = transformed_number(column, value, where);
  stats.minimum = stats.values == 0 ? value : std::min(stats.minimum, value);
  stats.maximum = stats.values == 0 ? value : std::max(stats.maximum, value);
  stats.sum += value;
  ++stats.values;
  const auto stored = static_cast<float>((transformed - scale.mean) / scale.deviation);
  if (!std::isfinite(stored)) fail("{}: {} is too large for a 32-bit float", where(), value);
  return stored;
}

// As a part of a data set stores it; checked all the same.
template <typename Where>
std::int64_t raw_number(const Column& column, double value, const Where& where) {
  if (!std::isnan(value) || !column.may_be_missing()) static_cast<void>(transformed_number(column, value, where));
  return std::bit_cast<std::int64_t>(value);
}

template <typename Where>
float stored_score(double score, ColumnStats& stats, const Where& where) {
  if (!std::isfinite(score)) fail("{}: a score is {}; leave unknown scores out of the list", where(), score);
  ++stats.values;
  stats.clamped += score < -1 || score > 1 ? 1 : 0;
  return static_cast<float>(std::clamp(score, -1.0, 1.0));
}

template <typename Where>
float stored_credit(double credit, ColumnStats& stats, const Where& where) {
  if (!(credit >= 0 && credit <= 1))
    fail("{}: credit {} is outside [0, 1]; it is the share of a conversion that this click gets", where(), credit);
  // As it is stored: a credit below the smallest float is none.
  const auto stored = static_cast<float>(credit);
  stats.positives += stored > 0 ? 1 : 0;
  stats.sum += static_cast<double>(stored);
  return stored;
}

template <typename Where>
float stored_weight(double weight, ColumnStats& stats, const Where& where) {
  // Rounded to the next of the 32-bit numbers; the largest of them is finite.
  const auto stored = static_cast<float>(weight);
  if (!(weight >= 0) || !std::isfinite(stored))
    fail("{}: weight {} is not in [0, {:.4g}]; it says how many rows this one stands for, 0 for none", where(), weight,
         std::numeric_limits<float>::max());
  const auto value = static_cast<double>(stored);
  stats.minimum = stats.values == 0 ? value : std::min(stats.minimum, value);
  stats.maximum = stats.values == 0 ? value : std::max(stats.maximum, value);
  stats.positives += stored > 0 ? 1 : 0;
  stats.sum += value;
  ++stats.values;
  return stored;
}

// `rows` rows of the split came before. `order` says how to mend the file.
template <typename Where, typename Order>
void check_time(std::int64_t time, std::int64_t rows, std::int64_t not_before, SplitStats& stats, const Where& where,
                const Order& order) {
  if (rows == 0) {
    if (time < not_before)
      fail(
          "{}: the test data begins at time {}, before the training data ends ({}); split by time, for example with "
          "mal_data attribute --test-days 1",
          where(), time, not_before);
    stats.first_time = time;
  } else if (time < stats.last_time) {
    fail("{}: time {} is before the previous row's {}; {} and name the files in the order of time", where(), time,
         stats.last_time, order());
  }
  stats.last_time = time;
}

}  // namespace mal

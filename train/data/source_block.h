// Rows of a columnar sample file, column by column, as plain vectors: what stands between a file format and the
// encoder.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/error.h"
#include "model/schema.h"
#include "train/data/time_text.h"

namespace mal {

enum class SourceType {
  none,     // every value is null
  integer,  // integers
  natural,  // integers, whose bits are those of a std::uint64_t
  time,     // integers: a point in time, `units_a_second` since 1970
  date,     // integers: days since 1970
  real,     // reals
  text,     // texts: UTF-8
};

// A column of single values has a value a row; null rows have one too, without meaning. In a column of lists, row r has
// the values offsets[r] to offsets[r + 1] − 1; a null row has none. Value v stands at place(v) of integers, reals or
// texts: at v, or, in a coded column, where its code says. All blocks of one dictionary have the same of these three.
struct SourceColumn {
  SourceType type = SourceType::none;
  std::string type_name;            // of the file, for messages
  std::int64_t units_a_second = 1;  // of times
  bool local = false;               // times without a time zone
  bool narrow = false;              // reals that the file holds with 32 bits
  bool list = false;
  std::vector<std::int64_t> offsets;  // lists: rows + 1; empty: so is every list
  std::vector<std::int64_t> integers;
  std::vector<double> reals;
  std::vector<std::string_view> texts;   // valid while `owner` lives
  std::vector<std::uint8_t> null_value;  // 1 a null value; empty: there is none
  std::vector<std::int32_t> codes;       // of a coded column; a null value's is 0
  std::uint64_t dictionary = 0;          // its number, no other has it; 0: the column is not coded
  bool dictionary_ends = false;          // no later block has it
  std::shared_ptr<const void> owner;

  std::size_t entries() const { return std::max({integers.size(), reals.size(), texts.size()}); }
  std::size_t values() const { return dictionary != 0 ? codes.size() : entries(); }
  std::size_t place(std::size_t value) const {
    return dictionary != 0 ? static_cast<std::size_t>(codes[value]) : value;
  }

  std::int64_t list_begin(std::int64_t row) const {
    return offsets.empty() ? 0 : offsets[static_cast<std::size_t>(row)];
  }
  std::int64_t list_end(std::int64_t row) const {
    return offsets.empty() ? 0 : offsets[static_cast<std::size_t>(row) + 1];
  }
  bool is_null(std::size_t value) const {
    return type == SourceType::none || (!null_value.empty() && null_value[value] != 0);
  }
};

// A real as text that reads back as the same number: a whole one as its digits, without an exponent where that is of a
// reasonable length (1e-7 to 1e21).
void append_real(std::string& text, double value, bool narrow);
// A value as text: what a text table would have in its place.
std::string entry_text(const SourceColumn& column, std::size_t place);

// Whether `text`, of a floating-point column, is a whole number below that from which such a column skips whole
// numbers, 2^53 or (narrow) 2^24.
bool is_exact_whole(std::string_view text, bool narrow);
// The reason why a value of such a column is no id, and what to do; a message without the place.
std::string why_no_id(std::string_view text, const std::string& column, bool narrow);
// Likewise for a time: 32 bits hold today's seconds to the nearest 128 only.
bool is_exact_time(std::string_view text, bool narrow);
std::string why_no_exact_time(std::string_view text);

struct SourceBlock {
  std::string path;
  std::int64_t first_row = 0;  // of the file, from 0
  std::int64_t rows = 0;
  std::vector<SourceColumn> columns;  // those that were asked for, in that order

  // "train.parquet:17:price"; rows are counted from 1.
  std::string where(std::int64_t row, const std::string& column) const {
    return path + ":" + std::to_string(first_row + row + 1) + ":" + column;
  }
};

// A number column's value. Throws Error for a null and for a value that is no number; `where` says the place.
template <typename Where>
double number_at(const SourceColumn& column, std::int64_t value, const Where& where) {
  if (column.is_null(static_cast<std::size_t>(value))) fail("{}: the value is null, a number belongs there", where());
  const std::size_t place = column.place(static_cast<std::size_t>(value));
  if (column.type == SourceType::real) return column.reals[place];
  if (column.type == SourceType::natural)
    return static_cast<double>(static_cast<std::uint64_t>(column.integers[place]));
  return static_cast<double>(column.integers[place]);
}

// The time of an entry of a time column, of any type, in whole seconds since 1970. Throws Error for what is no time.
template <typename Where>
std::int64_t seconds_at(const SourceColumn& column, std::size_t place, const TimeFormat& format, const Where& where) {
  if (column.type == SourceType::time) {
    const std::int64_t units = column.units_a_second, value = column.integers[place];
    return value / units - (value % units < 0 ? 1 : 0) - (column.local ? format.utc_offset : 0);
  }
  if (column.type == SourceType::date) return column.integers[place] * 86400 - format.utc_offset;
  std::optional<std::int64_t> time;
  if (column.type == SourceType::integer) time = time_of_number(column.integers[place], format);
  if (time) return floor_seconds(*time);
  const std::string text = entry_text(column, place);
  if (!is_exact_time(text, column.narrow)) fail("{}: {}", where(), why_no_exact_time(text));
  time = time_of_text(text, format);
  if (!time) fail("{}: {}", where(), why_no_time(text, format));
  return floor_seconds(*time);
}

// Whole numbers of a floating-point column, where the column's kind wants ids: its reals become integers. Throws Error
// for one that is not whole, or too large to be sure of its last digits.
void reals_to_ids(const Column& column, SourceBlock& block);

// Throws Error if values of this type cannot be what the schema says that the column is.
void check_source(const Column& column, const SourceColumn& source, const std::string& path);

}  // namespace mal

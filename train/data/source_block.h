// Rows of a columnar sample file, column by column, as plain vectors: what stands between a file format and the
// encoder.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/error.h"
#include "model/schema.h"

namespace mal {

enum class SourceType {
  none,     // every value is null
  integer,  // integers
  natural,  // integers, whose bits are those of a std::uint64_t
  seconds,  // integers: a point in time, in whole seconds since 1970
  real,     // reals
  text,     // texts: UTF-8
};

// A column of single values has a value a row; null rows have one too, without meaning. In a column of lists, row r has
// the values offsets[r] to offsets[r + 1] − 1; a null row has none. Value v stands at place(v) of integers, reals or
// texts: at v, or, in a coded column, where its code says. All blocks of one dictionary have the same of these three.
struct SourceColumn {
  SourceType type = SourceType::none;
  std::string type_name;  // of the file, for messages
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

// Throws Error if values of this type cannot be what the schema says that the column is.
void check_source(const Column& column, const SourceColumn& source, const std::string& path);

}  // namespace mal

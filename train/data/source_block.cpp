#include "train/data/source_block.h"

#include <array>
#include <charconv>
#include <cmath>

namespace mal {

namespace {

std::int64_t first_inexact(bool narrow) {
  return std::int64_t{1} << (narrow ? 24 : 53);
}

bool holds_ids(ColumnKind kind) {
  return kind == ColumnKind::id || kind == ColumnKind::ids || kind == ColumnKind::sequence ||
         kind == ColumnKind::group || kind == ColumnKind::slice;
}

bool has_list(ColumnKind kind) {
  return kind == ColumnKind::ids || kind == ColumnKind::sequence || kind == ColumnKind::scores;
}

struct Accepted {
  bool types;
  const char* wanted;
};

Accepted accepted(ColumnKind kind, SourceType type) {
  const bool whole = type == SourceType::integer || type == SourceType::natural;
  switch (kind) {
    case ColumnKind::id:
    case ColumnKind::ids:
    case ColumnKind::sequence:
    case ColumnKind::group:
    case ColumnKind::slice:
      return {whole || type == SourceType::text, "integers or text"};
    case ColumnKind::time:
      return {true, "numbers, timestamps, dates or text"};
    case ColumnKind::scores:
    case ColumnKind::number:
    case ColumnKind::credit:
    case ColumnKind::weight:
      return {whole || type == SourceType::real, "numbers"};
  }
  return {false, ""};
}

template <typename Real>
void append_shortest(std::string& text, Real value) {
  const auto size = static_cast<double>(std::abs(value));
  const bool plain = value == 0 || (size >= 1e-7 && size < 1e21) || !std::isfinite(value);
  std::array<char, 64> digits;
  const auto format = plain ? std::chars_format::fixed : std::chars_format::scientific;
  text.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), value, format).ptr);
}

// The row that has the value.
std::int64_t row_of(const SourceColumn& column, std::size_t value) {
  if (!column.list) return static_cast<std::int64_t>(value);
  const auto after = std::ranges::upper_bound(column.offsets, static_cast<std::int64_t>(value));
  return after - column.offsets.begin() - 1;
}

}  // namespace

void append_real(std::string& text, double value, bool narrow) {
  if (value == 0) value = 0;  // not -0
  if (narrow)
    append_shortest(text, static_cast<float>(value));
  else
    append_shortest(text, value);
}

std::string entry_text(const SourceColumn& column, std::size_t place) {
  if (column.type == SourceType::text) return std::string(column.texts[place]);
  std::string text;
  if (column.type == SourceType::real)
    append_real(text, column.reals[place], column.narrow);
  else if (column.type == SourceType::natural)
    text = std::to_string(static_cast<std::uint64_t>(column.integers[place]));
  else
    text = std::to_string(column.integers[place]);
  return text;
}

bool is_exact_whole(std::string_view text, bool narrow) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && number < first_inexact(narrow) &&
         number > -first_inexact(narrow);
}

std::string why_no_id(std::string_view text, const std::string& column, bool narrow) {
  const bool whole =
      text.find_first_not_of("-0123456789") == std::string_view::npos || text.find("e+") != std::string_view::npos;
  return fmt::format(
      "{} is {}, and the column of ids has floating-point numbers; write it as integers, "
      "df['{}'].astype('Int64'), or as text",
      text, whole ? fmt::format("too large to be exact (2^{} and more)", narrow ? 24 : 53) : std::string("not whole"),
      column);
}

bool is_exact_time(std::string_view text, bool narrow) {
  return !narrow || is_exact_whole(text.substr(0, text.find('.')), true);
}

std::string why_no_exact_time(std::string_view text) {
  return fmt::format(
      "time {} is too large to be exact as a 32-bit floating-point number; write the column as 64-bit integers or as "
      "timestamps",
      text);
}

void reals_to_ids(const Column& column, SourceBlock& block) {
  SourceColumn& source = block.columns.front();
  if (source.type != SourceType::real || !holds_ids(column.kind)) return;
  const auto most = static_cast<double>(first_inexact(source.narrow));
  source.integers.resize(source.reals.size());
  for (std::size_t v = 0; v < source.reals.size(); ++v) {
    const double value = source.is_null(v) ? 0 : source.reals[v];
    if (value != std::trunc(value) || !(std::abs(value) < most))
      fail("{}: {}", block.where(row_of(source, v), column.source),
           why_no_id(entry_text(source, v), column.source, source.narrow));
    source.integers[v] = static_cast<std::int64_t>(value);
  }
  source.type = SourceType::integer;
  source.reals.clear();
}

void check_source(const Column& column, const SourceColumn& source, const std::string& path) {
  const bool list = has_list(column.kind);
  const auto [types, wanted] = accepted(column.kind, source.type);
  // A column of nothing but nulls has no type; whether it may be null is found row by row.
  if (source.list == list && (types || source.type == SourceType::none)) return;
  if (source.type == SourceType::none && !source.list) return;  // also where lists belong: all of them are empty
  fail("{}:{}: the column is {}; a column of kind {} needs {}{}", path, column.source, source.type_name,
       to_string(column.kind), list ? "lists of " : "", wanted);
}

}  // namespace mal

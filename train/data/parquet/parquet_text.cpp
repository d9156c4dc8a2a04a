#include "train/data/parquet/parquet_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "engine/error.h"
#include "train/data/pandas_index.h"
#include "train/data/text_table.h"

namespace mal {

namespace {

// Takes the names of an index out.
std::vector<std::string> take_index(std::vector<std::string>& columns) {
  std::vector<std::string> taken;
  const std::vector<std::size_t> places = pandas_index(columns);
  for (auto place = places.rbegin(); place != places.rend(); ++place) {
    taken.push_back(columns[*place]);
    columns.erase(columns.begin() + static_cast<std::ptrdiff_t>(*place));
  }
  return taken;
}

}  // namespace

ParquetText::ParquetText(const std::string& path, std::int64_t utc_offset)
    : ParquetText(path, ParquetFile(path).column_names(), utc_offset) {}

ParquetText::ParquetText(const std::string& path, std::vector<std::string> columns, std::int64_t utc_offset)
    : ignored_(take_index(columns)), names_(std::move(columns)), utc_offset_(utc_offset), samples_(path, names_, 1) {
  for (std::size_t c = 0; c < names_.size(); ++c) {
    if (c > 0) text_ += ',';
    add_field(names_[c]);
  }
  text_ += '\n';
}

std::size_t ParquetText::read(char* out, std::size_t bytes) {
  if (at_ == text_.size()) {
    text_.clear();
    at_ = 0;
    if (samples_.next(block_))
      for (std::int64_t row = 0; row < block_.rows; ++row) add_row(row);
    rows_done_ += text_.empty() ? 0 : block_.rows;
  }
  const std::size_t part = std::min(bytes, text_.size() - at_);
  std::memcpy(out, text_.data() + at_, part);
  at_ += part;
  return part;
}

double ParquetText::share_read() const {
  return samples_.rows() == 0 ? 1.0 : static_cast<double>(rows_done_) / static_cast<double>(samples_.rows());
}

void ParquetText::add_row(std::int64_t row) {
  for (std::size_t c = 0; c < names_.size(); ++c) {
    const SourceColumn& column = block_.columns[c];
    field_.clear();
    if (column.list) {
      for (std::int64_t i = column.list_begin(row); i < column.list_end(row); ++i) {
        if (i > column.list_begin(row)) field_ += '|';
        add_value(column, static_cast<std::size_t>(i), field_);
      }
    } else {
      add_value(column, static_cast<std::size_t>(row), field_);
    }
    if (c > 0) text_ += ',';
    add_field(field_);
  }
  text_ += '\n';
}

void ParquetText::add_value(const SourceColumn& column, std::size_t value, std::string& field) const {
  if (column.is_null(value)) return;
  const std::size_t place = column.place(value);
  char digits[32];
  const auto add = [&](auto number) {
    field.append(digits, std::to_chars(std::begin(digits), std::end(digits), number).ptr);
  };
  switch (column.type) {
    case SourceType::none:
      return;
    case SourceType::integer:
      return add(column.integers[place]);
    case SourceType::natural:
      return add(static_cast<std::uint64_t>(column.integers[place]));
    case SourceType::time:
      return add_time(column, column.integers[place], field);
    case SourceType::date:
      if (const auto date = date_of_day(column.integers[place])) {
        field += *date;
        return;
      }
      return add(column.integers[place] * 86400 - utc_offset_);
    case SourceType::real:
      return append_real(field, column.reals[place], column.narrow);
    case SourceType::text:
      field += column.texts[place];
  }
}

// Seconds since 1970 in Greenwich, with all digits of the file's unit that are not zeros at the end.
void ParquetText::add_time(const SourceColumn& column, std::int64_t time, std::string& field) const {
  const std::int64_t units = column.units_a_second;
  std::int64_t seconds = time / units, rest = time % units;
  if (column.local) seconds -= utc_offset_;
  if (seconds > 0 && rest < 0) --seconds, rest += units;  // one sign for both
  if (seconds < 0 && rest > 0) ++seconds, rest -= units;
  if (rest < 0 && seconds == 0) field += '-';
  const fmt::format_int whole(seconds);
  field.append(whole.data(), whole.size());
  if (rest == 0) return;
  std::string digits = std::to_string(units + std::abs(rest));  // 1 and the digits
  digits.front() = '.';
  field.append(digits, 0, digits.find_last_not_of('0') + 1);
}

void ParquetText::add_field(const std::string& field) {
  const bool quoted = field.find_first_of(",\"\r\n\t") != std::string::npos;
  if (quoted)
    append_quoted(text_, field);
  else
    text_ += field;
}

}  // namespace mal

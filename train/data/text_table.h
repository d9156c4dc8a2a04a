// A delimited text file with a header (CSV or TSV, plain, gzip or zstd), or Parquet as if it were one, read row by row
// through one buffer.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "train/data/folder_columns.h"
#include "train/data/time_text.h"

namespace mal {

struct TextTableOptions {
  char delimiter = 0;                     // 0: find_delimiter()
  std::vector<std::string> columns = {};  // names for a file without a header line; empty: the first line is the header
  TimeFormat time = {};                   // how time() reads a field
  FolderValues folder = {};               // columns behind those of the file, of which they replace any of their names
};

// A field in double quotes may hold the delimiter, line breaks, and quotes written twice. Lines end in LF or CRLF; the
// last may end in neither. Empty lines are passed over (unless the table has one column, whose empty field they are), a
// UTF-8 byte order mark too. Every error names the place as file:line:column, and says what to do. Errors: no such
// file, empty file, truncated or corrupt gzip or zstd, a row with more or fewer fields than the header, an unterminated
// quote, a NUL byte, a row over 16 MiB or of more than 65,536 fields, UTF-16, lines that end in CR alone, a header with
// an empty name or one name twice.
class TextTable {
 public:
  explicit TextTable(const std::string& path, TextTableOptions options = {});
  ~TextTable();
  TextTable(TextTable&&) noexcept;
  TextTable& operator=(TextTable&&) noexcept;

  const std::string& path() const;
  const std::vector<std::string>& columns() const;
  std::optional<int> find(std::string_view column) const;
  // Throws: no such column, the nearest name, the names there are, and `option`, which would name another.
  int require(std::string_view column, std::string_view option = {}) const;

  bool next();                               // to the next row; false at the end of the file
  std::string_view field(int column) const;  // of the current row; valid until next(); quotes removed
  // The fields first to last of the current row as they stand in the file, if that is CSV that needs no quotes;
  // otherwise, or if it is nothing, empty.
  std::string_view unquoted(int first, int last) const;
  // 1-based number of the line in the (uncompressed) file where the current row begins; of Parquet the row.
  std::int64_t line() const;
  std::uint64_t bytes_read() const;  // of the file as it is on disk, for progress
  std::uint64_t bytes_total() const;
  bool compressed() const;
  char delimiter() const;
  const std::vector<std::string>& ignored() const;   // columns of the file that are none here: pandas_index()
  const std::vector<std::string>& replaced() const;  // by the folder's
  bool of_folder(int column) const;                  // not of the file
  int place(int column) const;                       // in the rows of the file, from 1

  std::string where(int column) const;     // "clicks.csv:17:price"
  double number(int column) const;         // throws on text, empty, trailing characters, NaN and infinity
  bool flag(int column) const;             // 0 or 1; throws on what parse_flag() does not take
  std::int64_t integer(int column) const;  // throws likewise
  // Microseconds since 1970, of any form that time_of_text knows; throws on any other.
  std::int64_t time(int column) const;
  const TimeFormat& time_format() const;
  // A field that names something. Throws for a floating-point number (of Parquet) that is not whole, or too large for
  // its last digits to be sure: it would match nothing, or the wrong rows.
  std::string_view id(int column) const;
  // False: a field of the current row may be other than UTF-8.
  bool row_is_utf8() const;
  void check_utf8(int column) const;  // throws on a field that is not

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The field in quotes, as next() reads it, at the end of a row of CSV.
void append_quoted(std::string& row, std::string_view field);

}  // namespace mal

// A Parquet file as the CSV text of its rows, for readers of text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "train/data/parquet/parquet_samples.h"

namespace mal {

// A header line and a line a row: null is an empty field, the items of a list have '|' between them. A point in time is
// its seconds since 1970, with the fraction that the file has ("1512259200.25"), a date is text ("2017-12-03"), a
// floating-point number its shortest text, and a whole one its digits ("100000"). Throws Error for what ParquetFile
// refuses.
class ParquetText {
 public:
  // utc_offset: seconds east of Greenwich, of timestamps that have no time zone.
  ParquetText(const std::string& path, std::int64_t utc_offset);
  std::size_t read(char* out, std::size_t bytes);                       // at most `bytes`; 0 at the end
  const std::vector<std::string>& ignored() const { return ignored_; }  // columns without text: pandas_index()
  double share_read() const;                                            // of the rows, in [0, 1]

  // Of a column, once a row of it was read: its values' type, and whether they are reals of 32 bits.
  SourceType type(std::size_t column) const { return block_.columns[column].type; }
  bool narrow(std::size_t column) const { return block_.columns[column].narrow; }

 private:
  ParquetText(const std::string& path, std::vector<std::string> columns, std::int64_t utc_offset);
  void add_row(std::int64_t row);
  void add_value(const SourceColumn& column, std::size_t value, std::string& field) const;
  void add_time(const SourceColumn& column, std::int64_t time, std::string& field) const;
  void add_field(const std::string& field);

  std::vector<std::string> ignored_, names_;
  std::int64_t utc_offset_;
  ParquetSamples samples_;
  SourceBlock block_;
  std::int64_t rows_done_ = 0;
  std::string text_, field_;  // text_: made, from at_ on not yet read
  std::size_t at_ = 0;
};

}  // namespace mal

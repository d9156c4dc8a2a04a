// A Parquet file as the CSV text of its rows, for readers of text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "train/data/parquet/parquet_samples.h"

namespace mal {

// A header line and a line a row: null is an empty field, the items of a list have '|' between them, a point in time is
// its seconds since 1970. Throws Error for a text that holds a line break, and for what ParquetFile refuses.
class ParquetText {
 public:
  explicit ParquetText(const std::string& path);
  std::size_t read(char* out, std::size_t bytes);  // at most `bytes`; 0 at the end
  double share_read() const;                       // of the rows, in [0, 1]

 private:
  ParquetText(const std::string& path, std::vector<std::string> columns);
  void add_row(std::int64_t row);
  void add_value(const SourceColumn& column, std::size_t value, std::string& field) const;
  void add_field(const std::string& field, std::int64_t row, std::size_t column);

  std::vector<std::string> names_;
  ParquetSamples samples_;
  SourceBlock block_;
  std::int64_t rows_done_ = 0;
  std::string text_, field_;  // text_: made, from at_ on not yet read
  std::size_t at_ = 0;
};

}  // namespace mal

// What a click and its conversion share, beside the user: one column of the log, or several whose values must all be
// equal.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "train/data/missing_names.h"
#include "train/data/text_table.h"

namespace mal {

class KeyColumns {
 public:
  // names: what --key says, the names of the columns as a row of CSV.
  explicit KeyColumns(const std::string& names);

  void open(const TextTable& table);  // before the rows of a file; throws if it lacks a column
  // The key of the current row, valid until the next. Several values are a row of CSV: "a,b" and "c" is "\"a,b\",c", so
  // no two keys have one text. Throws where a value is missing.
  std::string_view operator()(const TextTable& table, const MissingNames& missing);
  // The same, whatever the values are.
  std::string_view text(const TextTable& table);

  const std::vector<int>& columns() const { return columns_; }  // of the open file

 private:
  std::string_view join(const TextTable& table);

  std::string option_;
  std::vector<std::string> names_;
  std::vector<int> columns_;
  std::string text_;  // of several values
};

}  // namespace mal

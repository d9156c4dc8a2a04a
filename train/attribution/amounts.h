// Money in a log: what conversions are worth (--value) and what clicks cost (--cost).
#pragma once

#include <optional>
#include <string>

#include "train/attribution/attribute.h"
#include "train/data/text_table.h"

namespace mal {

// A field that is an amount; throws on text, an empty field, a negative number, and one too large for exact sums.
// what: "value" or "cost", the option without its dashes.
double checked_amount(const TextTable& table, int column, const char* what);

// The column of what conversions are worth: --value or, in files of conversions, the column `value` if the first file
// has one. Without such a column conversions are worth 0.
class ValueColumn {
 public:
  explicit ValueColumn(const AttributeOptions& options) : options_(options) {}

  void open(const TextTable& table);  // before the rows of a file that has conversions
  double operator()(const TextTable& table) const;
  bool known() const { return column_.has_value(); }

 private:
  const AttributeOptions& options_;
  std::optional<int> column_;  // of the open file
  bool opened_ = false, by_default_ = false;
};

}  // namespace mal

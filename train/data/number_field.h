// The values of number columns, which may be missing where the schema says what stands for them.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

#include "model/schema.h"
#include "train/data/source_block.h"
#include "train/data/text_table.h"

namespace mal {

inline constexpr const char* kMissingHint =
    "; where numbers may be missing, give the schema's column `default: 0` (a number that stands for them) or "
    "`missing: "
    "indicator` (an input that is 1 where it is missing)";

// Of the current row. Missing are an empty field and what databases, pandas, R and Excel write for none
// (missing_names.h and NA): NaN, or 1 of the column that says where another is missing. Throws Error with
// file:line:column where the column may not be missing, and for a field that is no number.
double number_of(const Column& column, const TextTable& table, int field);

// Of a columnar file, where null and NaN are missing.
template <typename Where>
double number_of(const Column& column, const SourceColumn& source, std::int64_t row, const Where& where) {
  const bool null = source.is_null(static_cast<std::size_t>(row));
  if (null && column.kind == ColumnKind::number && !column.may_be_missing() && !column.of_missing)
    fail("{}: the value is null, a number belongs there{}", where(), kMissingHint);
  const bool may_be_missing = column.may_be_missing() || column.of_missing;
  const double value =
      null && may_be_missing ? std::numeric_limits<double>::quiet_NaN() : number_at(source, row, where);
  if (std::isnan(value) && column.kind == ColumnKind::number && !may_be_missing)
    fail("{}: nan is not a finite number{}", where(), kMissingHint);
  return column.of_missing ? (std::isnan(value) ? 1.0 : 0.0) : value;
}

}  // namespace mal

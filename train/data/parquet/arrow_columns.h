// Arrow's arrays → the plain vectors of a SourceColumn.
#pragma once

#include <arrow/array.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "train/data/source_block.h"

namespace mal {

// For a type that check_column_type lets pass.
void convert_column(const std::shared_ptr<arrow::Array>& array, SourceColumn& out);

// Throws Error for a type that has no meaning in a sample; `where` names file and column.
void check_column_type(const arrow::DataType& type, const std::string& where);

SourceType source_type(const arrow::DataType& type);  // none: it has no meaning in a sample, or is null
std::int64_t units_a_second(const arrow::DataType& timestamp);
bool without_zone(const arrow::DataType& timestamp);

bool all_utf8(const SourceColumn& column);  // null values and unused entries of a dictionary too
// The first row whose text is not UTF-8.
std::optional<std::int64_t> row_of_wrong_text(const SourceColumn& column);

// The value of a Result, or Error with `what` and Arrow's message.
[[noreturn]] void fail_arrow(const std::string& what, const arrow::Status& status);
inline void check_arrow(const std::string& what, const arrow::Status& status) {
  if (!status.ok()) fail_arrow(what, status);
}
template <typename T>
T value_of(const std::string& what, arrow::Result<T>&& result) {
  if (!result.ok()) fail_arrow(what, result.status());
  return std::move(result).MoveValueUnsafe();
}

}  // namespace mal

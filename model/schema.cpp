#include "model/schema.h"

#include "engine/error.h"

namespace mal {

std::vector<std::string> Schema::views() const {
  std::vector<std::string> names;
  for (const Column& column : columns)
    if (column.kind == ColumnKind::credit) names.push_back(column.name);
  return names;
}

std::vector<int> Schema::columns_of(ColumnKind kind) const {
  std::vector<int> indices;
  for (std::size_t i = 0; i < columns.size(); ++i)
    if (columns[i].kind == kind) indices.push_back(static_cast<int>(i));
  return indices;
}

std::optional<int> Schema::find(std::string_view column) const {
  for (std::size_t i = 0; i < columns.size(); ++i)
    if (columns[i].name == column) return static_cast<int>(i);
  return std::nullopt;
}

int Schema::table_index(std::string_view table) const {
  for (std::size_t i = 0; i < tables.size(); ++i)
    if (tables[i].name == table) return static_cast<int>(i);
  fail_usage("schema {}: there is no table '{}'", name, table);
}

std::string_view to_string(ColumnKind kind) {
  switch (kind) {
    case ColumnKind::id:
      return "id";
    case ColumnKind::ids:
      return "ids";
    case ColumnKind::sequence:
      return "sequence";
    case ColumnKind::scores:
      return "scores";
    case ColumnKind::number:
      return "number";
    case ColumnKind::credit:
      return "credit";
    case ColumnKind::group:
      return "group";
    case ColumnKind::slice:
      return "slice";
    case ColumnKind::time:
      return "time";
    case ColumnKind::weight:
      return "weight";
  }
  return "?";
}

}  // namespace mal

#include "train/data/source_block.h"

namespace mal {

namespace {

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
      return {whole || type == SourceType::text, type == SourceType::real
                                                     ? "integers or text (pandas makes integers with gaps floats: "
                                                       "df[c] = df[c].astype('Int64'))"
                                                     : "integers or text"};
    case ColumnKind::time:
      return {type == SourceType::integer || type == SourceType::seconds, "whole seconds (integers) or timestamps"};
    case ColumnKind::scores:
    case ColumnKind::number:
    case ColumnKind::credit:
      return {whole || type == SourceType::real, "numbers"};
  }
  return {false, ""};
}

}  // namespace

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

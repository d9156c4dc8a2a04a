// Schemas as YAML: what each column of a sample file is. docs/data.md describes every key.
#pragma once

#include <string>
#include <vector>

#include "model/schema.h"

namespace mal {

struct BuiltinSchema {
  std::string name, text;
};
const std::vector<BuiltinSchema>& builtin_schemas();

// A schema that comes with the program (train/configs/schemas), or a file. Throws Error (exit code 2) with file:line.
Schema read_schema(const std::string& name_or_path);
Schema parse_schema(const std::string& text, const std::string& path);

// Adds the column of kind weight that `prepare --weight` names. Throws a usage Error where the schema has one, or
// another column of that name.
void add_weight_column(Schema& schema, const std::string& column);

// With tables[].rows, as it is kept in a data set; parse_schema reads it back.
std::string write_schema(const Schema& schema);

}  // namespace mal

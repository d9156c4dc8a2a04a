// The configurations of train/configs/ with the schema that each is made for.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "train/config/run_config.h"
#include "train/data/schema_yaml.h"

namespace mal::test {

inline std::vector<std::string> preset_names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(MAL_CONFIGS))
    if (entry.path().extension() == ".yaml") names.push_back(entry.path().stem().string());
  return names;
}

inline RunConfig preset_config(const std::string& name) {
  return parse_run_config(std::string(MAL_CONFIGS) + "/" + name + ".yaml", {});
}

// With small tables, but for the first.
inline Schema preset_schema(const std::string& name, std::int64_t rows_of_first) {
  std::string known = "simulated";
  for (const char* schema : {"criteo_journeys", "criteo", "taobao", "mac"})
    if (name == schema) known = schema;
  Schema schema = read_schema(known);
  for (TableSpec& table : schema.tables) table.rows = 50;
  schema.tables.front().rows = rows_of_first;
  return schema;
}

}  // namespace mal::test

#include "train/data/write_dataset.h"

#include <filesystem>

#include "engine/file.h"
#include "train/data/dataset_layout.h"
#include "train/data/schema_yaml.h"

namespace mal {

std::string write_fitted(const Schema& schema, const FittedColumns& fitted, const std::string& folder) {
  std::filesystem::create_directories(folder + "/vocab");
  for (std::size_t t = 0; t < schema.tables.size(); ++t) {
    const TableSpec& table = schema.tables[t];
    if (table.hash_buckets == 0) fitted.tables[t].write(vocabulary_file(folder, table.name));
    if (table.evict == 0 || fitted.is_given(t)) continue;
    std::filesystem::create_directories(folder + "/memory");
    write_memory(memory_file(folder, table.name), fitted.memories[t]);
  }
  const std::string text = write_schema(schema);
  OutputFile file(folder + kSchemaFile);
  file.write(text);
  file.commit();
  return schema_checksum(text);
}

void finish_dataset(const Schema& schema, const FittedColumns& fitted, DatasetStats& stats, const std::string& folder) {
  stats.numbers = fitted.numbers;
  for (const int c : schema.columns_of(ColumnKind::slice)) {
    const auto index = static_cast<std::size_t>(c);
    fitted.slices[index].write(slice_file(folder, schema.columns[index].name));
  }
  write_stats(folder + kStatsFile, schema, stats);
}

}  // namespace mal

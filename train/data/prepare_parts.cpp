#include "train/data/prepare_parts.h"

#include <charconv>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "engine/file.h"
#include "train/data/column_file.h"
#include "train/data/dataset_layout.h"
#include "train/data/part_files.h"
#include "train/data/schema_yaml.h"

namespace mal {

namespace {

constexpr int kFormat = 1;

// How often each value was seen, by its number.
void write_counts(const std::string& folder, const TableSpec& table, const Vocabulary& vocabulary) {
  std::vector<std::int64_t> by_number(static_cast<std::size_t>(vocabulary.rows()));
  vocabulary.for_each_count([&](std::string_view text, std::int64_t seen) {
    by_number[static_cast<std::size_t>(vocabulary.find(text))] = seen;
  });
  ColumnWriter file(counts_file(folder, table.name), ColumnType::int64, 1);
  file.append(by_number.data(), by_number.size());
  file.commit();
}

}  // namespace

PartNumber parse_part(std::string_view text) {
  PartNumber number;
  const char* end = text.data() + text.size();
  const auto [slash, first] = std::from_chars(text.data(), end, number.part);
  if (first == std::errc() && slash != end && *slash == '/') {
    const auto [after, second] = std::from_chars(slash + 1, end, number.parts);
    if (second == std::errc() && after == end && number.parts >= 1 && number.part >= 1 && number.part <= number.parts)
      return number;
  }
  fail_usage("--partition {}: write the number of the part and of all, such as 1/4 … 4/4", text);
}

std::vector<std::string> files_of_part(const std::vector<std::string>& files, const PartNumber& number) {
  const auto begin = [&](int part) {
    return files.begin() + static_cast<std::ptrdiff_t>(files.size()) * part / number.parts;
  };
  return {begin(number.part - 1), begin(number.part)};
}

void write_part(const std::string& folder, const PartNumber& number, const Schema& schema, const FittedColumns& fitted,
                const std::vector<std::size_t>& train_slices, const DatasetStats& stats) {
  std::filesystem::create_directories(folder + "/vocab");
  nlohmann::ordered_json json = {{"format", kFormat}, {"part", number.part}, {"parts", number.parts}};
  json["schema"] = write_schema(schema);
  json["given"] = nlohmann::ordered_json::array();
  for (std::size_t t = 0; t < schema.tables.size(); ++t) {
    const TableSpec& table = schema.tables[t];
    if (table.hash_buckets != 0) continue;
    fitted.tables[t].write(vocabulary_file(folder, table.name));
    if (fitted.is_given(t))
      json["given"].push_back(table.name);
    else
      write_counts(folder, table, fitted.tables[t]);
  }
  json["train_slices"] = train_slices;
  for (const int c : schema.columns_of(ColumnKind::slice)) {
    const auto index = static_cast<std::size_t>(c);
    fitted.slices[index].write(slice_file(folder, schema.columns[index].name));
  }
  write_stats(folder + kStatsFile, schema, stats);
  OutputFile file(folder + kPartFile);
  file.write(json.dump(1) + "\n");
  file.commit();
}

}  // namespace mal

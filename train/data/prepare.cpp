#include "train/data/prepare.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <optional>

#include "engine/error.h"
#include "engine/file.h"
#include "train/config/progress.h"
#include "train/data/dataset_layout.h"
#include "train/data/dataset_stats.h"
#include "train/data/sample_encoder.h"
#include "train/data/schema_yaml.h"
#include "train/data/shard_writer.h"

namespace mal {

namespace {

namespace fs = std::filesystem;

// Calls row(table, fields) for every row of every file.
template <typename Row>
void for_each_row(const Schema& schema, const std::vector<std::string>& files, bool show, const std::string& label,
                  const Row& row) {
  std::uint64_t total = 0, before = 0;
  for (const std::string& file : files)
    if (fs::is_regular_file(file)) total += fs::file_size(file);
  std::optional<Progress> progress;
  if (show) progress.emplace(label, total);
  std::int64_t rows = 0;
  for (const std::string& file : files) {
    TextTable table(file);
    const std::vector<int> fields = find_fields(schema, table);
    while (table.next()) {
      row(table, fields);
      ++rows;
      if (show) progress->update(before + table.bytes_read());
    }
    before += table.bytes_total();
  }
  if (show) progress->finish(fmt::format("{} rows", rows));
}

// What would destroy or spoil data is found before anything is read.
void check_files(const PrepareOptions& options) {
  if (options.train.empty() || options.test.empty()) fail_usage("prepare needs files for --train and for --test");
  if (options.shard_rows < 1) fail_usage("a shard has at least 1 row, not {}", options.shard_rows);
  const std::string output = fs::weakly_canonical(options.output).string() + "/";
  for (const auto* files : {&options.train, &options.test})
    for (const std::string& file : *files)
      if (fs::weakly_canonical(file).string().starts_with(output))
        fail_usage("{} lies in {}, which would be replaced; choose another --out", file, options.output);
  for (const std::string& file : options.test)
    if (std::ranges::find(options.train, file) != options.train.end())
      fail_usage("{} is given as --train and as --test; a model must be tested on other rows", file);
}

void fit(const PrepareOptions& options, Schema& schema, FittedColumns& fitted) {
  std::int64_t rows = 0;
  for_each_row(schema, options.train, options.progress, "reading vocabularies",
               [&](const TextTable& table, const std::vector<int>& fields) {
                 fitted.count(table, fields);
                 ++rows;
               });
  if (rows == 0) fail("{}: there are no training rows, only a header", options.train.front());
  fitted.finish(schema);
}

void write_fitted(const Schema& schema, const FittedColumns& fitted, const std::string& folder) {
  fs::create_directories(folder + "/vocab");
  for (std::size_t t = 0; t < schema.tables.size(); ++t)
    if (schema.tables[t].hash_buckets == 0) fitted.tables[t].write(vocabulary_file(folder, schema.tables[t].name));
  OutputFile file(folder + kSchemaFile);
  file.write(write_schema(schema));
  file.commit();
}

SplitStats encode_split(const Schema& schema, const PrepareOptions& options, Split split, std::int64_t not_before,
                        const std::string& folder, FittedColumns& fitted) {
  const bool train = split == Split::train;
  SampleEncoder encoder(schema, fitted, not_before);
  ShardWriter writer(schema, folder, split, options.shard_rows);
  for_each_row(schema, train ? options.train : options.test, options.progress,
               train ? "encoding train" : "encoding test", [&](const TextTable& table, const std::vector<int>& fields) {
                 encoder.encode(table, fields);
                 if (!encoder.full()) return;
                 writer.append(encoder.block());
                 encoder.clear();
               });
  writer.append(encoder.block());
  writer.finish();
  return encoder.stats();
}

}  // namespace

DatasetStats prepare(const PrepareOptions& options) {
  Schema schema = read_schema(options.schema);
  check_files(options);
  OutputFolder folder(options.output, "schema.yaml");
  FittedColumns fitted(schema);
  fit(options, schema, fitted);
  write_fitted(schema, fitted, folder.path());

  DatasetStats stats;
  constexpr std::int64_t kAnyTime = std::numeric_limits<std::int64_t>::min();
  stats.train = encode_split(schema, options, Split::train, kAnyTime, folder.path(), fitted);
  const bool timed = !schema.columns_of(ColumnKind::time).empty();
  stats.test =
      encode_split(schema, options, Split::test, timed ? stats.train.last_time : kAnyTime, folder.path(), fitted);
  stats.numbers = fitted.numbers;
  for (const int c : schema.columns_of(ColumnKind::slice)) {
    const auto index = static_cast<std::size_t>(c);
    fitted.slices[index].write(slice_file(folder.path(), schema.columns[index].name));
  }
  write_stats(folder.path() + kStatsFile, schema, stats);
  folder.commit();
  return stats;
}

}  // namespace mal

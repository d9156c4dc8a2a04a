#include "train/data/prepare.h"

#include <algorithm>
#include <filesystem>
#include <limits>

#include "engine/error.h"
#include "engine/file.h"
#include "train/data/dataset_layout.h"
#include "train/data/dataset_stats.h"
#include "train/data/prepare_columns.h"
#include "train/data/reading_progress.h"
#include "train/data/sample_encoder.h"
#include "train/data/sample_files.h"
#include "train/data/schema_yaml.h"
#include "train/data/shard_writer.h"

namespace mal {

namespace {

namespace fs = std::filesystem;

// Calls row(table, fields) for every row of every text file.
template <typename Row>
void for_each_row(const Schema& schema, const std::vector<std::string>& files, ReadingProgress& progress,
                  const Row& row) {
  std::int64_t rows = 0;
  for (const std::string& file : files) {
    TextTable table(file);
    const std::vector<int> fields = find_fields(schema, table);
    while (table.next()) {
      row(table, fields);
      ++rows;
      progress.file(table.bytes_read());
    }
    progress.next_file(table.bytes_total());
  }
  progress.finish(rows);
}

// Whether a split is of Parquet files; a split of both kinds is refused.
bool all_parquet(const std::vector<std::string>& files) {
  const bool parquet = is_parquet(files.front());
  for (const std::string& file : files)
    if (is_parquet(file) != parquet)
      fail_usage("{} is {}Parquet and {} is {}; give one kind of files for a split", files.front(),
                 parquet ? "" : "not ", file, parquet ? "not" : "");
  return parquet;
}

// What would destroy or spoil data is found before anything is read.
void check_files(const PrepareOptions& options) {
  if (options.train.empty() || options.test.empty()) fail_usage("prepare needs files for --train and for --test");
  if (options.output.empty()) fail_usage("no output: give --out DATASET");
  if (options.shard_rows < 1) fail_usage("a shard has at least 1 row, not {}", options.shard_rows);
  const std::string output = fs::weakly_canonical(options.output).string() + "/";
  for (const auto* files : {&options.train, &options.test})
    for (const std::string& file : *files)
      if (fs::weakly_canonical(file).string().starts_with(output))
        fail_usage("{} lies in {}, which would be replaced; choose another --out", file, options.output);
  for (const auto* files : {&options.train, &options.test})
    for (auto file = files->begin(); file != files->end(); ++file)
      if (std::find(files->begin(), file, *file) != file)
        fail_usage("{} is given twice; its rows would count twice", *file);
  for (const std::string& file : options.test)
    if (std::ranges::find(options.train, file) != options.train.end())
      fail_usage("{} is given as --train and as --test; a model must be tested on other rows", file);
}

// The vocabularies that are in the folder; the others are built.
void give_vocabularies(const PrepareOptions& options, const Schema& schema, FittedColumns& fitted) {
  if (options.vocabularies.empty()) return;
  bool some = false;
  for (std::size_t t = 0; t < schema.tables.size(); ++t) {
    const std::string file = options.vocabularies + "/" + schema.tables[t].name + ".json";
    if (schema.tables[t].hash_buckets != 0 || !fs::exists(file)) continue;
    fitted.give(static_cast<int>(t), read_vocabulary(file));
    some = true;
  }
  if (!some)
    fail_usage("--vocabs {}: it has no <table>.json of any table of the schema, such as {}.json", options.vocabularies,
               schema.tables.empty() ? "user" : schema.tables.front().name);
}

void fit(const PrepareOptions& options, Schema& schema, FittedColumns& fitted) {
  give_vocabularies(options, schema, fitted);
  if (!all_parquet(options.train)) {
    std::int64_t rows = 0;
    ReadingProgress progress(options.train, options.progress, "reading vocabularies");
    for_each_row(schema, options.train, progress, [&](const TextTable& table, const std::vector<int>& fields) {
      fitted.count(table, fields);
      ++rows;
    });
    if (rows == 0) fail("{}: there are no training rows, only a header", options.train.front());
  } else if (fitted.needs_data()) {
    count_columns({schema, options.train, options.threads, options.progress}, fitted);
  }
  fitted.finish(schema);
}

// Returns the checksum of schema.yaml.
std::string write_fitted(const Schema& schema, const FittedColumns& fitted, const std::string& folder) {
  fs::create_directories(folder + "/vocab");
  for (std::size_t t = 0; t < schema.tables.size(); ++t)
    if (schema.tables[t].hash_buckets == 0) fitted.tables[t].write(vocabulary_file(folder, schema.tables[t].name));
  const std::string text = write_schema(schema);
  OutputFile file(folder + kSchemaFile);
  file.write(text);
  file.commit();
  return schema_checksum(text);
}

SplitStats encode_split(const Schema& schema, const PrepareOptions& options, Split split, std::int64_t not_before,
                        const std::string& folder, FittedColumns& fitted) {
  const bool train = split == Split::train;
  const std::vector<std::string>& files = train ? options.train : options.test;
  if (all_parquet(files))
    return encode_columns({schema, files, options.threads, options.progress}, split, options.shard_rows, not_before,
                          folder, fitted);
  ReadingProgress progress(files, options.progress, train ? "encoding train" : "encoding test");
  SampleEncoder encoder(schema, fitted, not_before);
  ShardWriter writer(schema, folder, split, options.shard_rows);
  for_each_row(schema, files, progress, [&](const TextTable& table, const std::vector<int>& fields) {
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

DatasetStats prepare(const PrepareOptions& given) {
  PrepareOptions options = given;
  Schema schema = read_schema(options.schema);
  options.train = expand_files(options.train);
  options.test = expand_files(options.test);
  check_files(options);
  OutputFolder folder(options.output, "schema.yaml");
  FittedColumns fitted(schema);
  fit(options, schema, fitted);
  DatasetStats stats;
  stats.schema = write_fitted(schema, fitted, folder.path());
  constexpr std::int64_t kAnyTime = std::numeric_limits<std::int64_t>::min();
  stats.train = encode_split(schema, options, Split::train, kAnyTime, folder.path(), fitted);
  if (stats.train.rows == 0) fail("{}: there are no training rows", options.train.front());
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

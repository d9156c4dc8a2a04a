#include "train/data/prepare.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <optional>

#include "engine/error.h"
#include "engine/file.h"
#include "train/data/base_dataset.h"
#include "train/data/dataset.h"
#include "train/data/dataset_layout.h"
#include "train/data/dataset_stats.h"
#include "train/data/prepare_columns.h"
#include "train/data/prepare_parts.h"
#include "train/data/reading_notes.h"
#include "train/data/reading_progress.h"
#include "train/data/sample_encoder.h"
#include "train/data/sample_files.h"
#include "train/data/schema_yaml.h"
#include "train/data/shard_writer.h"
#include "train/data/write_dataset.h"

namespace mal {

namespace {

namespace fs = std::filesystem;

// Calls row(table, fields) for every row of every text file.
template <typename Row>
void for_each_row(const Schema& schema, const std::vector<std::string>& files, const PrepareOptions& options,
                  ReadingProgress& progress, ReadingNotes& notes, const Row& row) {
  std::int64_t rows = 0;
  for (const std::string& file : files) {
    TextTable table(file, {.delimiter = options.delimiter, .time = options.time, .folder = options.folders.of(file)});
    const std::vector<int> fields = find_fields(schema, table);
    notes.add(table);
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
  if (!options.vocabularies.empty() && !options.base.empty())
    fail_usage("--vocabs and --base exclude each other: both say which number an id has");
  if (options.part.parts > 0 && !options.base.empty())
    fail_usage("--partition and --base exclude each other: a part knows no base, give it to --merge");
  if (options.output.empty()) fail_usage("no output: give --out DATASET");
  if (options.shard_rows < 1) fail_usage("a shard has at least 1 row, not {}", options.shard_rows);
  if (!options.base.empty()) check_not_replaced(options.base, options.output, true);
  for (const auto* files : {&options.train, &options.test})
    for (const std::string& file : *files) check_not_replaced(file, options.output);
  check_given_once(options.train);
  check_given_once(options.test);
  const FileSet train(options.train);
  for (const std::string& file : options.test)
    if (const std::optional<std::string> same = train.find(file))
      fail_usage("{} is given as --train and {}as --test; a model must be tested on other rows", *same,
                 *same == file ? "" : fmt::format("as {} ", file));
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

ColumnJob column_job(const Schema& schema, const std::vector<std::string>& files, const PrepareOptions& options) {
  return {schema, files, options.folders, options.threads, options.progress};
}

// Counts rows of one split.
void count(const std::vector<std::string>& files, const PrepareOptions& options, const Schema& schema,
           FittedColumns& fitted, ReadingNotes& notes) {
  if (files.empty() || !fitted.needs_data()) return;
  if (all_parquet(files)) return count_columns(column_job(schema, files, options), fitted, notes);
  ReadingProgress progress(files, options.progress, "reading vocabularies");
  for_each_row(schema, files, options, progress, notes,
               [&](const TextTable& table, const std::vector<int>& fields) { fitted.count(table, fields); });
}

SplitStats encode_split(const Schema& schema, const PrepareOptions& options, Split split, std::int64_t not_before,
                        const std::string& folder, FittedColumns& fitted, ReadingNotes& notes) {
  const bool train = split == Split::train;
  const std::vector<std::string>& files = train ? options.train : options.test;
  if (files.empty()) {  // of a part
    SplitStats stats;
    stats.columns.resize(schema.columns.size());
    return stats;
  }
  if (all_parquet(files))
    return encode_columns(column_job(schema, files, options), split, options.shard_rows, not_before, folder, fitted,
                          notes);
  ReadingProgress progress(files, options.progress, train ? "encoding train" : "encoding test");
  SampleEncoder encoder(schema, fitted, not_before);
  std::vector<Column> stored = schema.columns;
  if (fitted.raw_numbers) std::ranges::transform(stored, stored.begin(), part_column);
  ShardWriter writer(stored, folder, split, options.shard_rows);
  for_each_row(schema, files, options, progress, notes, [&](const TextTable& table, const std::vector<int>& fields) {
    encoder.encode(table, fields);
    if (!encoder.full()) return;
    writer.append(encoder.block());
    encoder.clear();
  });
  writer.append(encoder.block());
  writer.finish();
  return encoder.stats();
}

constexpr std::int64_t kAnyTime = std::numeric_limits<std::int64_t>::min();

// Every value of both splits gets a number for now, and is counted on train.
DatasetStats prepare_part(PrepareOptions options, Schema schema, ReadingNotes& notes) {
  if (static_cast<int>(options.train.size()) < options.part.parts)
    fail_usage("--partition {}/{}: there are only {} training files to share", options.part.part, options.part.parts,
               options.train.size());
  const Schema original = schema;
  for (TableSpec& table : schema.tables) {  // who loses a row is seen when all parts are there
    table.evict = 0;
    table.evict_by_time = false;
  }
  options.train = files_of_part(options.train, options.part);
  options.test = files_of_part(options.test, options.part);
  OutputFolder folder(options.output, "part.json");
  FittedColumns fitted(schema), on_test(schema);
  fitted.time = on_test.time = options.time;
  for (FittedColumns* both : {&fitted, &on_test}) {
    give_vocabularies(options, schema, *both);
    for (std::size_t c = 0; c < schema.columns.size(); ++c) both->give_scale(c, {});
  }
  fitted.raw_numbers = true;
  count(options.train, options, schema, fitted, notes);
  count(options.test, options, schema, on_test, notes);
  for (TableSpec& table : schema.tables) table.min_count = 0;
  on_test.finish(schema);
  for (std::size_t t = 0; t < schema.tables.size(); ++t)
    if (!fitted.is_given(t))
      on_test.tables[t].for_each([&](std::string_view text, std::int32_t) { fitted.tables[t].count(text, 0); });
  fitted.finish(schema);
  DatasetStats stats;
  stats.train = encode_split(schema, options, Split::train, kAnyTime, folder.path(), fitted, notes);
  std::vector<std::size_t> train_slices;
  for (const SliceNames& names : fitted.slices) train_slices.push_back(names.names().size());
  stats.test = encode_split(schema, options, Split::test, kAnyTime, folder.path(), fitted, notes);
  stats.numbers = fitted.numbers;
  for (std::size_t t = 0; t < schema.tables.size(); ++t) {
    const std::int64_t rows = schema.tables[t].rows;
    schema.tables[t] = original.tables[t];
    schema.tables[t].rows = rows;
  }
  write_part(folder.path(), options.part, schema, fitted, train_slices, stats);
  folder.commit();
  return stats;
}

}  // namespace

DatasetStats prepare(const PrepareOptions& given, ReadingNotes& notes) {
  PrepareOptions options = given;
  Schema schema = read_schema(options.schema);
  if (!options.weight.empty()) add_weight_column(schema, options.weight);
  for (auto* files : {&options.train, &options.test}) {
    notes.empty_files += find_sample_files(*files, options.folders);
  }
  check_files(options);
  if (options.part.parts > 0) return prepare_part(options, schema, notes);
  OutputFolder folder(options.output, "schema.yaml");
  FittedColumns fitted(schema);
  fitted.time = options.time;
  give_vocabularies(options, schema, fitted);
  start_from(options.base, schema, fitted);
  count(options.train, options, schema, fitted, notes);
  fitted.finish(schema);
  DatasetStats stats;
  stats.schema = write_fitted(schema, fitted, folder.path());
  stats.train = encode_split(schema, options, Split::train, kAnyTime, folder.path(), fitted, notes);
  if (stats.train.rows == 0)
    fail("{}: there are no training rows{}", options.train.front(),
         all_parquet(options.train) ? "" : ", only a header");
  const bool timed = !schema.columns_of(ColumnKind::time).empty();
  stats.test = encode_split(schema, options, Split::test, timed ? stats.train.last_time : kAnyTime, folder.path(),
                            fitted, notes);
  finish_dataset(schema, fitted, stats, folder.path());
  folder.commit();
  return stats;
}

DatasetStats prepare(const PrepareOptions& options) {
  ReadingNotes notes;
  return prepare(options, notes);
}

}  // namespace mal

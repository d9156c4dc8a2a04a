#include "train/data/prepare.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <optional>

#include "engine/error.h"
#include "engine/file.h"
#include "train/config/parallel.h"
#include "train/config/progress.h"
#include "train/data/block_encoder.h"
#include "train/data/dataset_layout.h"
#include "train/data/dataset_stats.h"
#include "train/data/parquet/parquet_samples.h"
#include "train/data/sample_encoder.h"
#include "train/data/sample_files.h"
#include "train/data/schema_yaml.h"
#include "train/data/shard_writer.h"

namespace mal {

namespace {

namespace fs = std::filesystem;

class ReadingProgress {
 public:
  ReadingProgress(const std::vector<std::string>& files, bool show, const std::string& label) {
    std::uint64_t total = 0;
    for (const std::string& file : files)
      if (fs::is_regular_file(file)) total += fs::file_size(file);
    if (show) progress_.emplace(label, total);
  }
  void file(std::uint64_t read) {  // bytes read of the present file
    if (progress_) progress_->update(before_ + read);
  }
  void next_file(std::uint64_t bytes) { before_ += bytes; }
  void finish(std::int64_t rows) {
    if (progress_) progress_->finish(fmt::format("{} rows", rows));
  }

 private:
  std::optional<Progress> progress_;
  std::uint64_t before_ = 0;
};

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

// The columns of the files that `wanted` columns of the schema need, each once; and of each column of the schema, its
// place among them (−1: it is not wanted).
template <typename Wanted>
std::pair<std::vector<std::string>, std::vector<int>> source_columns(const Schema& schema, const Wanted& wanted) {
  std::vector<std::string> names;
  std::vector<int> fields;
  for (std::size_t c = 0; c < schema.columns.size(); ++c) {
    fields.push_back(-1);
    if (!wanted(c)) continue;
    const auto found = std::ranges::find(names, schema.columns[c].source);
    fields.back() = static_cast<int>(found - names.begin());
    if (found == names.end()) names.push_back(schema.columns[c].source);
  }
  return {names, fields};
}

// Calls block(rows) for every block of every Parquet file.
template <typename Block>
void for_each_block(const std::vector<std::string>& files, const std::vector<std::string>& columns, int threads,
                    ReadingProgress& progress, const Block& block) {
  SourceBlock rows;
  std::int64_t count = 0;
  for (const std::string& file : files) {
    ParquetSamples samples(file, columns, threads);
    const auto bytes = static_cast<double>(fs::file_size(file));
    while (samples.next(rows)) {
      block(rows);
      count += rows.rows;
      const double share = static_cast<double>(rows.first_row + rows.rows) / static_cast<double>(samples.rows());
      progress.file(static_cast<std::uint64_t>(share * bytes));
    }
    progress.next_file(fs::file_size(file));
  }
  progress.finish(count);
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
  std::int64_t rows = 0;
  ReadingProgress progress(options.train, options.progress, "reading vocabularies");
  if (!all_parquet(options.train)) {
    for_each_row(schema, options.train, progress, [&](const TextTable& table, const std::vector<int>& fields) {
      fitted.count(table, fields);
      ++rows;
    });
    if (rows == 0) fail("{}: there are no training rows, only a header", options.train.front());
  } else if (fitted.needs_data()) {
    const auto [columns, fields] = source_columns(schema, [&](std::size_t c) { return fitted.counts(c); });
    for_each_block(options.train, columns, options.threads, progress, [&, &places = fields](const SourceBlock& block) {
      for (std::size_t c = 0; c < schema.columns.size(); ++c)
        if (places[c] >= 0)
          check_source(schema.columns[c], block.columns[static_cast<std::size_t>(places[c])], block.path);
      fitted.count(block, places, thread_count(options.threads));
    });
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
  ReadingProgress progress(files, options.progress, train ? "encoding train" : "encoding test");
  const int threads = thread_count(options.threads);
  if (all_parquet(files)) {
    BlockEncoder encoder(schema, fitted, not_before, threads);
    ShardWriter writer(schema, folder, split, options.shard_rows, threads);
    const auto [columns, fields] = source_columns(schema, [](std::size_t) { return true; });
    for_each_block(files, columns, threads, progress,
                   [&, &places = fields](const SourceBlock& block) { writer.append(encoder.encode(block, places)); });
    writer.finish();
    return encoder.stats();
  }
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

#include "train/data/prepare.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "engine/file.h"
#include "train/config/progress.h"
#include "train/data/dataset_layout.h"
#include "train/data/sample_encoder.h"
#include "train/data/schema_yaml.h"
#include "train/data/shard_writer.h"

namespace mal {

namespace {

using Json = nlohmann::ordered_json;

// Calls row(table, fields) for every row of every file.
template <typename Row>
void for_each_row(const Schema& schema, const std::vector<std::string>& files, const std::string& label,
                  const Row& row) {
  std::uint64_t total = 0, before = 0;
  for (const std::string& file : files)
    if (std::filesystem::is_regular_file(file)) total += std::filesystem::file_size(file);
  Progress progress(label, total);
  std::int64_t rows = 0;
  for (const std::string& file : files) {
    TextTable table(file);
    const std::vector<int> fields = find_fields(schema, table);
    while (table.next()) {
      row(table, fields);
      ++rows;
      progress.update(before + table.bytes_read());
    }
    before += table.bytes_total();
  }
  progress.finish(fmt::format("{} rows", rows));
}

Json column_json(const Schema& schema, const SampleEncoder& encoder, std::size_t c) {
  const Column& column = schema.columns[c];
  const ColumnCounts& counts = encoder.counts()[c];
  Json json = {{"kind", to_string(column.kind)}};
  if (!column.table.empty())
    json.update({{"values", counts.values}, {"unseen", counts.unseen}, {"missing", counts.missing}});
  if (column.kind == ColumnKind::scores) json.update({{"values", counts.values}, {"clamped", counts.clamped}});
  if (has_lengths(column.kind)) json["truncated"] = counts.truncated;
  if (column.kind == ColumnKind::credit) json.update({{"positives", counts.positives}, {"credit", counts.credit}});
  return json;
}

Json split_json(const Schema& schema, const SampleEncoder& encoder) {
  Json json = {{"rows", encoder.rows()}};
  if (!schema.columns_of(ColumnKind::time).empty())
    json.update({{"first_time", encoder.first_time()}, {"last_time", encoder.last_time()}});
  for (std::size_t c = 0; c < schema.columns.size(); ++c)
    json["columns"][schema.columns[c].name] = column_json(schema, encoder, c);
  return json;
}

void write_fitted(const Schema& schema, const FittedColumns& fitted, const std::string& folder) {
  std::filesystem::create_directories(folder + "/vocab");
  for (std::size_t t = 0; t < schema.tables.size(); ++t)
    if (schema.tables[t].hash_buckets == 0)
      fitted.tables[t].write(fmt::format("{}/vocab/{}.json", folder, schema.tables[t].name));
  for (const int c : schema.columns_of(ColumnKind::slice)) {
    const auto index = static_cast<std::size_t>(c);
    fitted.slices[index].write(fmt::format("{}/vocab/slice.{}.json", folder, schema.columns[index].name));
  }
  OutputFile file(folder + kSchemaFile);
  file.write(write_schema(schema));
  file.commit();
}

Json numbers_json(const Schema& schema, const FittedColumns& fitted) {
  Json json = Json::object();
  for (std::size_t c = 0; c < schema.columns.size(); ++c)
    if (schema.columns[c].standardize)
      json[schema.columns[c].name] = {{"mean", fitted.numbers[c].mean}, {"deviation", fitted.numbers[c].deviation()}};
  return json;
}

void encode_split(const Schema& schema, const std::vector<std::string>& files, const std::string& label,
                  SampleEncoder& encoder, ShardWriter& writer) {
  for_each_row(schema, files, label, [&](const TextTable& table, const std::vector<int>& fields) {
    encoder.encode(table, fields);
    writer.append(encoder.cells());
  });
  writer.finish();
}

void check_split(const Schema& schema, const SampleEncoder& train, const SampleEncoder& test,
                 const PrepareOptions& options) {
  if (schema.columns_of(ColumnKind::time).empty() || test.rows() == 0) return;
  if (test.first_time() < train.last_time())
    fail(
        "{}: the test data begins at time {}, before the training data ends ({}); split by time, for example with "
        "mal_data attribute --test-days 1",
        options.test.front(), test.first_time(), train.last_time());
}

}  // namespace

void prepare(const PrepareOptions& options) {
  Schema schema = read_schema(options.schema);
  FittedColumns fitted(schema);
  std::int64_t rows = 0;
  for_each_row(schema, options.train, "reading vocabularies",
               [&](const TextTable& table, const std::vector<int>& fields) {
                 fitted.count(schema, table, fields);
                 ++rows;
               });
  if (rows == 0) fail("{}: there are no training rows, only a header", options.train.front());
  fitted.finish(schema);

  OutputFolder folder(options.output, "schema.yaml");
  SampleEncoder train(schema, fitted), test(schema, fitted);
  ShardWriter train_writer(schema, folder.path(), Split::train, options.shard_rows);
  ShardWriter test_writer(schema, folder.path(), Split::test, options.shard_rows);
  encode_split(schema, options.train, "encoding train", train, train_writer);
  encode_split(schema, options.test, "encoding test", test, test_writer);
  check_split(schema, train, test, options);
  write_fitted(schema, fitted, folder.path());

  const Json stats = {{"format", 1},
                      {"train", split_json(schema, train)},
                      {"test", split_json(schema, test)},
                      {"numbers", numbers_json(schema, fitted)}};
  OutputFile file(folder.path() + kStatsFile);
  file.write(stats.dump(1) + "\n");
  file.commit();
  folder.commit();
  fmt::print("data set {}: {} training rows, {} test rows\n", options.output, train.rows(), test.rows());
}

}  // namespace mal

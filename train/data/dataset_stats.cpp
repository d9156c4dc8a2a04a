#include "train/data/dataset_stats.h"

#include <xxhash.h>

#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "engine/file.h"

namespace mal {

namespace {

using Json = nlohmann::ordered_json;

constexpr int kFormat = 1;
constexpr std::uint64_t kMaxBytes = 64U << 20;

Json column_json(const Column& column, const ColumnStats& stats) {
  Json json = {{"kind", to_string(column.kind)}};
  const bool list = column.kind == ColumnKind::ids || column.kind == ColumnKind::sequence;
  if (!column.table.empty() || column.kind == ColumnKind::scores) json["values"] = stats.values;
  if (!column.table.empty()) json.update({{"unseen", stats.unseen}, {"missing", stats.missing}});
  if (column.kind == ColumnKind::scores) json["clamped"] = stats.clamped;
  if (list || column.kind == ColumnKind::scores) json["truncated"] = stats.truncated;
  if (column.kind == ColumnKind::credit) json.update({{"positives", stats.positives}, {"sum", stats.sum}});
  if (column.kind == ColumnKind::number)
    json.update({{"values", stats.values}, {"sum", stats.sum}, {"min", stats.minimum}, {"max", stats.maximum}});
  if (column.kind == ColumnKind::weight)
    json.update({{"values", stats.values},
                 {"positives", stats.positives},
                 {"sum", stats.sum},
                 {"min", stats.minimum},
                 {"max", stats.maximum}});
  if (column.may_be_missing()) json["missing"] = stats.missing;
  return json;
}

Json split_json(const Schema& schema, const SplitStats& stats) {
  Json json = {{"rows", stats.rows}};
  if (!schema.columns_of(ColumnKind::time).empty())
    json.update({{"first_time", stats.first_time}, {"last_time", stats.last_time}});
  for (std::size_t c = 0; c < schema.columns.size(); ++c)
    json["columns"][schema.columns[c].name] = column_json(schema.columns[c], stats.columns[c]);
  return json;
}

// A member that is absent is 0: which ones a column has depends on its kind.
template <typename T>
T member(const Json& json, const char* key) {
  return json.contains(key) ? json.at(key).get<T>() : T{};
}

SplitStats read_split(const Schema& schema, const Json& json) {
  SplitStats stats;
  stats.rows = json.at("rows").get<std::int64_t>();
  stats.first_time = member<std::int64_t>(json, "first_time");
  stats.last_time = member<std::int64_t>(json, "last_time");
  for (const Column& column : schema.columns) {
    const Json& from = json.at("columns").at(column.name);
    ColumnStats& to = stats.columns.emplace_back();
    to.values = member<std::int64_t>(from, "values");
    to.unseen = member<std::int64_t>(from, "unseen");
    to.missing = member<std::int64_t>(from, "missing");
    to.clamped = member<std::int64_t>(from, "clamped");
    to.truncated = member<std::int64_t>(from, "truncated");
    to.positives = member<std::int64_t>(from, "positives");
    to.sum = member<double>(from, "sum");
    to.minimum = member<double>(from, "min");
    to.maximum = member<double>(from, "max");
  }
  return stats;
}

}  // namespace

std::string schema_checksum(std::string_view text) {
  return fmt::format("{:016x}", XXH3_64bits(text.data(), text.size()));
}

void write_stats(const std::string& path, const Schema& schema, const DatasetStats& stats) {
  Json json = {{"format", kFormat},
               {"schema", stats.schema},
               {"train", split_json(schema, stats.train)},
               {"test", split_json(schema, stats.test)},
               {"numbers", Json::object()}};
  for (std::size_t c = 0; c < schema.columns.size(); ++c) {
    const Column& column = schema.columns[c];
    if (!column.fitted()) continue;
    Json& scale = json["numbers"][column.name];
    if (column.standardize) scale = {{"mean", stats.numbers[c].mean}, {"deviation", stats.numbers[c].deviation}};
    if (column.filled_by_mean()) scale["fill"] = stats.numbers[c].fill;
  }
  OutputFile file(path);
  file.write(json.dump(1) + "\n");
  file.commit();
}

DatasetStats read_stats(const std::string& path, const Schema& schema) {
  const Json json = Json::parse(read_file(path, kMaxBytes), nullptr, false);
  if (json.is_discarded()) fail("{}: it is not JSON; prepare again", path);
  DatasetStats stats;
  try {
    if (const auto format = json.at("format").get<int>(); format != kFormat)
      fail("{}: its format is version {}, this program reads {}; prepare again", path, format, kFormat);
    stats.schema = json.at("schema").get<std::string>();
    stats.train = read_split(schema, json.at("train"));
    stats.test = read_split(schema, json.at("test"));
    for (const Column& column : schema.columns) {
      NumberScale& scale = stats.numbers.emplace_back();
      if (!column.fitted()) continue;
      const Json& from = json.at("numbers").at(column.name);
      if (column.standardize) {
        scale.mean = from.at("mean").get<double>();
        scale.deviation = from.at("deviation").get<double>();
      }
      if (column.filled_by_mean()) scale.fill = from.at("fill").get<double>();
      if (!(scale.deviation > 0))
        fail("{}: the deviation of '{}' is {}, and never 0 or less; prepare again", path, column.name, scale.deviation);
    }
  } catch (const Json::exception&) {
    fail("{}: it is not what prepare writes for this schema; prepare again", path);
  }
  return stats;
}

}  // namespace mal

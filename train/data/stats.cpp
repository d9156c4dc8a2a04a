#include "train/data/stats.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "engine/error.h"
#include "engine/file.h"
#include "train/data/batch_reader.h"
#include "train/data/dataset_layout.h"

namespace mal {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kBatch = 16384;

void add_row(ViewCounts& counts, const std::vector<float>& credits) {
  if (counts.positives.empty()) {
    counts.positives.resize(credits.size());
    counts.credit.resize(credits.size());
  }
  ++counts.rows;
  for (std::size_t v = 0; v < credits.size(); ++v) {
    counts.positives[v] += credits[v] > 0 ? 1 : 0;
    counts.credit[v] += static_cast<double>(credits[v]);
  }
}

// The view that the others are compared with: last, or else the first.
std::size_t reference_view(const std::vector<std::string>& views) {
  const auto found = std::ranges::find(views, "last");
  return found == views.end() ? 0 : static_cast<std::size_t>(found - views.begin());
}

double ratio(const ViewCounts& counts, std::size_t view, std::size_t reference) {
  const std::int64_t base = counts.positives.empty() ? 0 : counts.positives[reference];
  return base == 0 ? 0 : static_cast<double>(counts.positives[view]) / static_cast<double>(base);
}

std::string ratio_text(const ViewCounts& counts, std::size_t view, std::size_t reference) {
  const double value = ratio(counts, view, reference);
  return value == 0 ? "n/a" : fmt::format("{:.3f}", value);
}

void print_views(const std::vector<std::string>& views, const ViewCounts& all) {
  const std::size_t reference = reference_view(views);
  fmt::print("\n{:<16}{:>12}{:>12}{:>16}{:>16}\n", "view", "positives", "rate", "against " + views[reference],
             "sum of credit");
  for (std::size_t v = 0; v < views.size() && !all.positives.empty(); ++v)
    fmt::print("{:<16}{:>12}{:>11.3f}%{:>16}{:>16.1f}\n", views[v], all.positives[v],
               100.0 * static_cast<double>(all.positives[v]) / static_cast<double>(all.rows),
               ratio_text(all, v, reference), all.credit[v]);
}

void print_slice(const Dataset& dataset, const std::vector<std::string>& views, const SliceCounts& slice) {
  const std::size_t reference = reference_view(views);
  const std::vector<std::string>& names = dataset.slice_names(*dataset.schema().find(slice.column));
  fmt::print("\npositives against {} by {}\n{:<24}{:>10}{:>12}", views[reference], slice.column, slice.column, "rows",
             views[reference]);
  for (const std::string& view : views) fmt::print("{:>10}", view);
  fmt::print("\n");
  for (std::size_t value = 0; value < slice.values.size(); ++value) {
    const ViewCounts& counts = slice.values[value];
    if (counts.rows == 0) continue;
    fmt::print("{:<24}{:>10}{:>12}", names[value], counts.rows, counts.positives[reference]);
    for (std::size_t v = 0; v < views.size(); ++v) fmt::print("{:>10}", ratio_text(counts, v, reference));
    fmt::print("\n");
  }
}

std::string share(const Json& column, const char* part) {
  const double values = column.value("values", 0.0);
  return values == 0 ? "n/a" : fmt::format("{:.2f} %", 100 * column.value(part, 0.0) / values);
}

void print_columns(const Dataset& dataset, const Json& stats) {
  fmt::print("\n{:<20}{:<10}{:>12}{:>15}{:>15}{:>12}\n", "column", "kind", "table rows", "unseen train", "unseen test",
             "note");
  for (const Column& column : dataset.schema().columns) {
    const Json train = stats["train"]["columns"].value(column.name, Json::object());
    const Json test = stats["test"]["columns"].value(column.name, Json::object());
    if (!column.table.empty()) {
      const TableSpec& table =
          dataset.schema().tables[static_cast<std::size_t>(dataset.schema().table_index(column.table))];
      fmt::print("{:<20}{:<10}{:>12}{:>15}{:>15}{:>12}\n", column.name, to_string(column.kind), table.rows,
                 share(train, "unseen"), share(test, "unseen"), table.hash_buckets != 0 ? "hashed" : "");
    } else if (column.kind == ColumnKind::scores) {
      fmt::print("{:<20}{:<10}{:>12}{:>15}{:>15}  clamped {}\n", column.name, to_string(column.kind), "", "", "",
                 train.value("clamped", 0) + test.value("clamped", 0));
    }
  }
}

Json counts_json(const std::vector<std::string>& views, const ViewCounts& counts) {
  Json json = {{"rows", counts.rows}};
  for (std::size_t v = 0; v < views.size() && !counts.positives.empty(); ++v)
    json["views"][views[v]] = {{"positives", counts.positives[v]},
                               {"credit", counts.credit[v]},
                               {"ratio", ratio(counts, v, reference_view(views))}};
  return json;
}

void write_json(const std::string& path, const Dataset& dataset, const DatasetCounts& counts, const Json& stats) {
  const std::vector<std::string> views = dataset.schema().views();
  Json json = {{"all", counts_json(views, counts.all)}, {"users", counts.users}, {"prepared", stats}};
  for (const SliceCounts& slice : counts.slices) {
    const std::vector<std::string>& names = dataset.slice_names(*dataset.schema().find(slice.column));
    for (std::size_t value = 0; value < slice.values.size(); ++value)
      json["slices"][slice.column][names[value]] = counts_json(views, slice.values[value]);
  }
  OutputFile file(path);
  file.write(json.dump(1) + "\n");
  file.commit();
}

}  // namespace

DatasetCounts count_views(const Dataset& dataset) {
  const Schema& schema = dataset.schema();
  const std::vector<int> credits = schema.columns_of(ColumnKind::credit);
  const std::vector<int> slices = schema.columns_of(ColumnKind::slice);
  const std::vector<int> groups = schema.columns_of(ColumnKind::group);
  DatasetCounts counts;
  for (const int c : slices)
    counts.slices.push_back(
        {schema.columns[static_cast<std::size_t>(c)].name, std::vector<ViewCounts>(dataset.slice_names(c).size())});
  std::unordered_set<std::int64_t> users;
  std::vector<float> row(credits.size());
  for (const Split split : {Split::train, Split::test}) {
    BatchReader reader(dataset, split, kBatch);
    while (const Batch* batch = reader.next())
      for (std::size_t r = 0; r < static_cast<std::size_t>(batch->rows); ++r) {
        for (std::size_t v = 0; v < credits.size(); ++v)
          row[v] = batch->columns[static_cast<std::size_t>(credits[v])].values[r];
        add_row(counts.all, row);
        for (std::size_t s = 0; s < slices.size(); ++s) {
          const std::int32_t code = batch->columns[static_cast<std::size_t>(slices[s])].ids[r];
          add_row(counts.slices[s].values[static_cast<std::size_t>(code)], row);
        }
        if (!groups.empty()) users.insert(batch->columns[static_cast<std::size_t>(groups[0])].keys[r]);
      }
  }
  counts.users = static_cast<std::int64_t>(users.size());
  return counts;
}

void print_stats(const StatsOptions& options) {
  const Dataset dataset = Dataset::open(options.dataset);
  if (options.verify) dataset.verify();
  const std::string path = options.dataset + kStatsFile;
  const Json stats = Json::parse(read_file(path), nullptr, false);
  if (!stats.is_object() || !stats.contains("train") || !stats.contains("test"))
    fail("{}: it is not what prepare wrote; prepare again", path);
  const DatasetCounts counts = count_views(dataset);
  const std::vector<std::string> views = dataset.schema().views();
  fmt::print("{}: {} training rows, {} test rows, {} users{}\n", options.dataset, dataset.rows(Split::train),
             dataset.rows(Split::test), counts.users, options.verify ? ", all checksums are right" : "");
  print_views(views, counts.all);
  for (const SliceCounts& slice : counts.slices) print_slice(dataset, views, slice);
  print_columns(dataset, stats);
  if (!options.json.empty()) write_json(options.json, dataset, counts, stats);
}

}  // namespace mal

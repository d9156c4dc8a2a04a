// How `mal_data stats` shows its counts: tables, or JSON.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <numeric>

#include "train/data/aligned_table.h"
#include "train/data/stats.h"

namespace mal {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kShownValues = 40;  // of a slice; JSON has all

std::string rate_text(double part, double whole, int digits = 3) {
  return whole == 0 ? "n/a" : fmt::format("{:.{}f} %", 100 * part / whole, digits);
}

double ratio(const ViewCounts& counts, std::size_t view, std::size_t reference) {
  const std::int64_t base = counts.positives[reference];
  return base == 0 ? 0 : static_cast<double>(counts.positives[view]) / static_cast<double>(base);
}

std::string ratio_text(const ViewCounts& counts, std::size_t view, std::size_t reference) {
  return counts.positives[reference] == 0 ? "n/a" : fmt::format("{:.3f}", ratio(counts, view, reference));
}

std::string name_text(const std::string& name) {
  return name.empty() ? "(empty)" : name;
}

std::string views_text(const std::vector<std::string>& views, const DatasetCounts& counts) {
  const std::size_t reference = reference_view(views);
  AlignedTable table({"view", "positives", "against " + views[reference], "sum of credit", "train positives", "rate",
                      "test positives", "rate"});
  const auto rate = [](const ViewCounts& split, std::size_t view) {
    return rate_text(static_cast<double>(split.positives[view]), static_cast<double>(split.rows));
  };
  for (std::size_t v = 0; v < views.size(); ++v)
    table.add({views[v], with_thousands(counts.all.positives[v]), ratio_text(counts.all, v, reference),
               fmt::format("{:.1f}", counts.all.credit[v]), with_thousands(counts.train.positives[v]),
               rate(counts.train, v), with_thousands(counts.test.positives[v]), rate(counts.test, v)});
  return table.text();
}

// Path lengths and hours in the order of the numbers, names by falling rows.
std::vector<std::size_t> shown_order(const std::vector<std::string>& names, const SliceCounts& slice) {
  std::vector<std::size_t> order(names.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::vector<std::int64_t> numbers(names.size());
  const bool numeric = std::ranges::all_of(order, [&](std::size_t i) {
    const char* end = names[i].data() + names[i].size();
    const auto [stop, code] = std::from_chars(names[i].data(), end, numbers[i]);
    return code == std::errc() && stop == end;
  });
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
    return numeric ? numbers[a] < numbers[b] : slice.values[a].rows > slice.values[b].rows;
  });
  return order;
}

std::string slice_text(const Dataset& dataset, const std::vector<std::string>& views, const SliceCounts& slice) {
  const std::size_t reference = reference_view(views);
  const std::vector<std::string>& names = dataset.slice_names(slice.column);
  const std::string& column = dataset.schema().columns[static_cast<std::size_t>(slice.column)].name;
  std::vector<std::string> header = {column, "rows", views[reference] + " positives"};
  header.insert(header.end(), views.begin(), views.end());
  AlignedTable table(header);
  std::vector<std::size_t> order = shown_order(names, slice);
  const std::size_t hidden = order.size() - std::min(order.size(), kShownValues);
  order.resize(order.size() - hidden);
  for (const std::size_t value : order) {
    const ViewCounts& counts = slice.values[value];
    std::vector<std::string> row = {name_text(names[value]), with_thousands(counts.rows),
                                    with_thousands(counts.positives[reference])};
    for (std::size_t v = 0; v < views.size(); ++v) row.push_back(ratio_text(counts, v, reference));
    table.add(row);
  }
  const std::string more = hidden == 0 ? "" : fmt::format("… and {} more values; --json FILE has all\n", hidden);
  return fmt::format("positives of each view against {}, by {}\n{}{}", views[reference], column, table.text(), more);
}

std::string ids_text(const Dataset& dataset) {
  const Schema& schema = dataset.schema();
  AlignedTable table({"column", "kind", "table", "table rows", "unseen in train", "in test", "empty", "lists cut"});
  bool any = false;
  for (std::size_t c = 0; c < schema.columns.size(); ++c) {
    const Column& column = schema.columns[c];
    if (column.table.empty()) continue;
    any = true;
    const TableSpec& spec = schema.tables[static_cast<std::size_t>(schema.table_index(column.table))];
    const ColumnStats& train = dataset.stats(Split::train).columns[c];
    const ColumnStats& test = dataset.stats(Split::test).columns[c];
    const auto unseen = [&](const ColumnStats& stats) {
      return spec.hash_buckets != 0
                 ? "hashed"
                 : rate_text(static_cast<double>(stats.unseen), static_cast<double>(stats.values), 2);
    };
    table.add({column.name, std::string(to_string(column.kind)), column.table, with_thousands(spec.rows), unseen(train),
               unseen(test), with_thousands(train.missing + test.missing),
               column.kind == ColumnKind::id ? "" : with_thousands(train.truncated + test.truncated)});
  }
  return any ? "\n" + table.text() : "";
}

std::string scores_text(const Dataset& dataset) {
  const std::vector<int> scores = dataset.schema().columns_of(ColumnKind::scores);
  if (scores.empty()) return "";
  AlignedTable table({"scores", "values", "clamped to [-1, 1]", "lists cut"});
  for (const int column : scores) {
    const auto c = static_cast<std::size_t>(column);
    const ColumnStats& train = dataset.stats(Split::train).columns[c];
    const ColumnStats& test = dataset.stats(Split::test).columns[c];
    table.add({dataset.schema().columns[c].name, with_thousands(train.values + test.values),
               with_thousands(train.clamped + test.clamped), with_thousands(train.truncated + test.truncated)});
  }
  return "\n" + table.text();
}

std::string numbers_text(const Dataset& dataset) {
  std::vector<int> numbers = dataset.schema().columns_of(ColumnKind::number);
  const std::vector<int> weights = dataset.schema().columns_of(ColumnKind::weight);
  numbers.insert(numbers.end(), weights.begin(), weights.end());
  if (numbers.empty()) return "";
  const bool missing = std::ranges::any_of(dataset.schema().columns, &Column::may_be_missing);
  std::vector<std::string> header = {"number", "split", "mean", "min", "max"};
  if (missing) header.emplace_back("missing");
  AlignedTable table(header);
  for (const int column : numbers)
    for (const Split split : {Split::train, Split::test}) {
      const ColumnStats& stats = dataset.stats(split).columns[static_cast<std::size_t>(column)];
      if (stats.values == 0 && stats.missing == 0) continue;
      std::vector<std::string> row = {dataset.schema().columns[static_cast<std::size_t>(column)].name,
                                      split == Split::train ? "train" : "test"};
      for (const double value : {stats.sum / static_cast<double>(stats.values), stats.minimum, stats.maximum})
        row.push_back(stats.values == 0 ? "n/a" : fmt::format("{:.6g}", value));
      if (missing) row.push_back(with_thousands(stats.missing));
      table.add(row);
    }
  return "\n" + table.text();
}

Json counts_json(const std::vector<std::string>& views, const ViewCounts& counts) {
  Json json = {{"rows", counts.rows}, {"views", Json::object()}};
  const std::size_t reference = reference_view(views);
  for (std::size_t v = 0; v < views.size(); ++v) {
    json["views"][views[v]] = {{"positives", counts.positives[v]}, {"credit", counts.credit[v]}, {"ratio", nullptr}};
    if (counts.positives[reference] != 0) json["views"][views[v]]["ratio"] = ratio(counts, v, reference);
  }
  return json;
}

Json column_json(const Dataset& dataset, std::size_t c) {
  const Column& column = dataset.schema().columns[c];
  Json json = {{"kind", to_string(column.kind)}};
  if (!column.table.empty())
    json["table_rows"] =
        dataset.schema().tables[static_cast<std::size_t>(dataset.schema().table_index(column.table))].rows;
  for (const Split split : {Split::train, Split::test}) {
    const ColumnStats& stats = dataset.stats(split).columns[c];
    Json& to = json[split == Split::train ? "train" : "test"];
    if (!column.table.empty())
      to = {{"values", stats.values},
            {"unseen", stats.unseen},
            {"missing", stats.missing},
            {"truncated", stats.truncated}};
    else if (column.kind == ColumnKind::scores)
      to = {{"values", stats.values}, {"clamped", stats.clamped}, {"truncated", stats.truncated}};
    else
      to = {{"values", stats.values}, {"sum", stats.sum}, {"min", stats.minimum}, {"max", stats.maximum}};
    if (column.may_be_missing()) to["missing"] = stats.missing;
  }
  return json;
}

}  // namespace

std::string stats_text(const Dataset& dataset, const DatasetCounts& counts) {
  const std::vector<std::string> views = dataset.schema().views();
  std::string text = fmt::format("{}: {} training rows, {} test rows", dataset.path(),
                                 with_thousands(counts.train.rows), with_thousands(counts.test.rows));
  if (counts.users > 0) text += fmt::format(", {} users", with_thousands(counts.users));
  text += "\n\n" + views_text(views, counts);
  for (const SliceCounts& slice : counts.slices) text += "\n" + slice_text(dataset, views, slice);
  return text + ids_text(dataset) + scores_text(dataset) + numbers_text(dataset);
}

std::string stats_json(const Dataset& dataset, const DatasetCounts& counts) {
  const Schema& schema = dataset.schema();
  const std::vector<std::string> views = schema.views();
  Json json = {{"reference", views[reference_view(views)]},
               {"users", counts.users},
               {"all", counts_json(views, counts.all)},
               {"train", counts_json(views, counts.train)},
               {"test", counts_json(views, counts.test)},
               {"slices", Json::object()},
               {"columns", Json::object()}};
  for (const SliceCounts& slice : counts.slices) {
    const std::vector<std::string>& names = dataset.slice_names(slice.column);
    Json& to = json["slices"][schema.columns[static_cast<std::size_t>(slice.column)].name];
    for (std::size_t value = 0; value < slice.values.size(); ++value)
      to[names[value]] = counts_json(views, slice.values[value]);
  }
  for (std::size_t c = 0; c < schema.columns.size(); ++c) {
    const ColumnKind kind = schema.columns[c].kind;
    if (!schema.columns[c].table.empty() || kind == ColumnKind::scores || kind == ColumnKind::number ||
        kind == ColumnKind::weight)
      json["columns"][schema.columns[c].name] = column_json(dataset, c);
  }
  return json.dump(1) + "\n";
}

}  // namespace mal

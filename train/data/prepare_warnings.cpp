#include "train/data/prepare_warnings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "train/data/sample_values.h"

namespace mal {

namespace {

// Embeddings begin at about 0.01 and standardised numbers lie within ±10 for all but a few rows: an input of more than
// this decides alone what a layer says, and the steps that its weights take are as many times too large.
constexpr double kLargeInput = 1000;

// Of both splits, as the values stand in the file.
struct Range {
  std::int64_t values = 0;
  double minimum = 0, maximum = 0, sum = 0;
};

Range range_of(const DatasetStats& stats, std::size_t column) {
  Range range;
  for (const SplitStats* split : {&stats.train, &stats.test}) {
    const ColumnStats& part = split->columns[column];
    if (part.values == 0) continue;
    range.minimum = range.values == 0 ? part.minimum : std::min(range.minimum, part.minimum);
    range.maximum = range.values == 0 ? part.maximum : std::max(range.maximum, part.maximum);
    range.sum += part.sum;
    range.values += part.values;
  }
  return range;
}

void add_large_numbers(const Schema& schema, const DatasetStats& stats, std::vector<std::string>& lines) {
  for (const int c : schema.columns_of(ColumnKind::number)) {
    const auto index = static_cast<std::size_t>(c);
    const Column& column = schema.columns[index];
    const Range range = range_of(stats, index);
    if (range.values == 0 && column.may_be_missing())
      lines.push_back(
          fmt::format("column '{}': every number of it is missing; leave it out of the schema", column.name));
    if (range.values == 0) continue;
    const auto input = [&](double value) {  // log(1 + x) rises, so the ends of the range stay its ends
      return (transformed_number(column, value, [&] { return column.name; }) - stats.numbers[index].mean) /
             stats.numbers[index].deviation;
    };
    const double low = input(range.minimum), high = input(range.maximum);
    if (std::max(std::abs(low), std::abs(high)) < kLargeInput) continue;
    const bool logarithm = !column.log1p && range.minimum > -1;
    const std::string what = column.standardize ? fmt::format("standardized to {:.6g} to {:.6g}", low, high)
                             : column.log1p ? fmt::format("with log1p {:.6g} to {:.6g}, not standardized", low, high)
                                            : std::string("not standardized");
    const std::string todo = column.standardize && !logarithm
                                 ? std::string("look for outliers, or for units that differ between rows")
                                 : fmt::format("give the column {}standardize: true in the schema",
                                               column.log1p || logarithm ? "log1p: true, " : "");
    lines.push_back(
        fmt::format("column '{}': its numbers go from {:.6g} to {:.6g} (mean {:.6g}), {}: inputs of {:.0f} and more "
                    "drown all others; {}",
                    column.name, range.minimum, range.maximum, range.sum / static_cast<double>(range.values), what,
                    kLargeInput, todo));
  }
}

void add_views(const Schema& schema, const DatasetStats& stats, std::vector<std::string>& lines) {
  for (const int c : schema.columns_of(ColumnKind::credit)) {
    const auto index = static_cast<std::size_t>(c);
    const std::string& name = schema.columns[index].name;
    const auto positives = [&](const SplitStats& split) { return split.columns[index].positives; };
    if (stats.train.rows > 0 && positives(stats.train) == 0)
      lines.push_back(
          fmt::format("view '{}': none of the {} training rows is a positive (a credit above 0), so a model can only "
                      "learn to say 0; check the column, and in mal_data attribute the conversions, --window and "
                      "--train-labels",
                      name, stats.train.rows));
    if (stats.train.rows > 0 && positives(stats.train) == stats.train.rows)
      lines.push_back(
          fmt::format("view '{}': all {} training rows are positives (a credit above 0), so a model can only learn to "
                      "say 1; add the clicks that did not convert",
                      name, stats.train.rows));
    if (stats.test.rows > 0 && (positives(stats.test) == 0 || positives(stats.test) == stats.test.rows))
      lines.push_back(fmt::format(
          "view '{}': {} {} test rows {}, so AUC and GAUC are not defined; {}", name,
          positives(stats.test) == 0 ? "none of the" : "all", stats.test.rows,
          positives(stats.test) == 0 ? "is a positive" : "are positives",
          positives(stats.test) == 0 ? "test on a longer or earlier period" : "add the clicks that did not convert"));
  }
}

void add_weights(const Schema& schema, const DatasetStats& stats, std::vector<std::string>& lines) {
  for (const int c : schema.columns_of(ColumnKind::weight))
    for (const SplitStats* split : {&stats.train, &stats.test}) {
      const auto index = static_cast<std::size_t>(c);
      if (split->rows == 0 || split->columns[index].positives > 0) continue;
      lines.push_back(fmt::format("weight '{}': all {} {} rows have the weight 0, so {}; check the column",
                                  schema.columns[index].name, split->rows, split == &stats.train ? "training" : "test",
                                  split == &stats.train ? "nothing can be learned" : "no metric is defined"));
    }
}

}  // namespace

std::vector<std::string> data_warnings(const Schema& schema, const DatasetStats& stats) {
  std::vector<std::string> lines;
  add_large_numbers(schema, stats, lines);
  add_views(schema, stats, lines);
  add_weights(schema, stats, lines);
  if (stats.test.rows == 0) lines.emplace_back("there are no test rows, so nothing can be evaluated");
  return lines;
}

}  // namespace mal

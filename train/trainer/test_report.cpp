#include "train/trainer/test_report.h"

#include <fmt/format.h>

namespace mal {

namespace {

std::string shown(const std::optional<double>& value) {
  return value ? fmt::format("{:.4f}", *value) : "n/a";
}

}  // namespace

std::vector<SliceTable> slice_tables(const Dataset& dataset, const ScoredSplit& scored,
                                     const std::vector<std::string>& columns) {
  std::vector<SliceTable> tables;
  for (std::size_t s = 0; s < columns.size(); ++s)
    tables.push_back({columns[s], evaluate_slices(scored.scored, scored.slices[s]),
                      dataset.slice_names(*dataset.schema().find(columns[s]))});
  return tables;
}

void print_metrics(const std::string& name, const Metrics& metrics, const std::vector<SliceTable>& slices) {
  fmt::print("{}\n{}", name, to_text(metrics));
  for (const SliceTable& table : slices) {
    fmt::print("\n{:<24} {:>9} {:>9} {:>8} {:>8} {:>8} {:>8}\n", table.column, "rows", "positives", "gauc", "auc",
               "logloss", "pcoc");
    for (const SliceMetrics& slice : table.metrics) {
      const Metrics& m = slice.metrics;
      fmt::print("{:<24} {:>9} {:>9} {:>8} {:>8} {:>8} {:>8}\n", table.names.at(static_cast<std::size_t>(slice.value)),
                 m.rows, m.positives, shown(m.gauc), shown(m.auc), shown(m.logloss), shown(m.pcoc));
    }
  }
}

}  // namespace mal

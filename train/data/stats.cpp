#include "train/data/stats.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "engine/file.h"
#include "train/data/batch_reader.h"

namespace mal {

namespace {

constexpr std::int64_t kBatch = 16384;

// The columns that are counted, as indices into the schema.
struct Counted {
  explicit Counted(const Schema& schema)
      : credits(schema.columns_of(ColumnKind::credit)),
        slices(schema.columns_of(ColumnKind::slice)),
        groups(schema.columns_of(ColumnKind::group)) {}
  std::vector<int> credits, slices, groups;
};

const BatchColumn& column_of(const Batch& batch, int column) {
  return batch.columns[static_cast<std::size_t>(column)];
}

void add_row(const Batch& batch, const Counted& counted, std::size_t row, ViewCounts& counts) {
  ++counts.rows;
  for (std::size_t v = 0; v < counted.credits.size(); ++v) {
    const float credit = column_of(batch, counted.credits[v]).values[row];
    counts.positives[v] += credit > 0 ? 1 : 0;
    counts.credit[v] += static_cast<double>(credit);
  }
}

ViewCounts no_counts(const Counted& counted) {
  return {0, std::vector<std::int64_t>(counted.credits.size()), std::vector<double>(counted.credits.size())};
}

}  // namespace

DatasetCounts count_views(const Dataset& dataset) {
  const Counted counted(dataset.schema());
  const ViewCounts none = no_counts(counted);
  DatasetCounts counts{none, none, none, {}, 0};
  for (const int c : counted.slices)
    counts.slices.push_back({c, std::vector<ViewCounts>(dataset.slice_names(c).size(), none)});
  std::unordered_set<std::int64_t> users;
  for (const Split split : {Split::train, Split::test}) {
    ViewCounts& of_split = split == Split::train ? counts.train : counts.test;
    BatchReader reader(dataset, split, kBatch);
    while (const Batch* batch = reader.next())
      for (std::size_t r = 0; r < static_cast<std::size_t>(batch->rows); ++r) {
        add_row(*batch, counted, r, of_split);
        add_row(*batch, counted, r, counts.all);
        for (SliceCounts& slice : counts.slices) {
          const std::int32_t code = column_of(*batch, slice.column).ids[r];
          add_row(*batch, counted, r, slice.values[static_cast<std::size_t>(code)]);
        }
        if (!counted.groups.empty()) users.insert(column_of(*batch, counted.groups[0]).keys[r]);
      }
  }
  counts.users = static_cast<std::int64_t>(users.size());
  return counts;
}

std::size_t reference_view(const std::vector<std::string>& views) {
  const auto found = std::ranges::find(views, "last");
  return found == views.end() ? 0 : static_cast<std::size_t>(found - views.begin());
}

void print_stats(const StatsOptions& options) {
  const Dataset dataset = Dataset::open(options.dataset);
  if (options.verify) dataset.verify();
  const DatasetCounts counts = count_views(dataset);
  fmt::print("{}{}", stats_text(dataset, counts), options.verify ? "\nall checksums are right\n" : "");
  if (options.json.empty()) return;
  OutputFile file(options.json);
  file.write(stats_json(dataset, counts));
  file.commit();
}

}  // namespace mal

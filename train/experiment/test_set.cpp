#include "train/experiment/test_set.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/error.h"
#include "train/data/batch_reader.h"

namespace mal {

namespace {

constexpr std::int64_t kBatch = 16384;

template <typename T>
void append(std::vector<T>& to, const std::vector<T>& from, std::int64_t rows) {
  to.insert(to.end(), from.begin(), from.begin() + rows);
}

std::size_t index_of(const std::vector<std::string>& names, const std::string& name, const char* what) {
  const auto found = std::ranges::find(names, name);
  if (found == names.end())
    fail_usage("the data set has no {} '{}'; it has: {}", what, name,
               names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")));
  return static_cast<std::size_t>(found - names.begin());
}

}  // namespace

std::size_t TestSet::view_of(const std::string& view) const {
  return index_of(views, view, "view");
}

const std::vector<float>& TestSet::credits_of(const std::string& view) const {
  return credits[view_of(view)];
}

std::size_t TestSet::slice_of(const std::string& column) const {
  return index_of(slices, column, "slice column");
}

TestSet read_test_set(const Dataset& dataset) {
  const Schema& schema = dataset.schema();
  const std::vector<int> credits = schema.columns_of(ColumnKind::credit);
  const std::vector<int> groups = schema.columns_of(ColumnKind::group);
  const std::vector<int> slices = schema.columns_of(ColumnKind::slice);
  if (groups.empty())
    fail("{}: the data set has no group column; intervals need its users: name one in the schema and prepare again",
         dataset.path());
  TestSet test;
  test.views = schema.views();
  test.credits.resize(credits.size());
  test.values.resize(slices.size());
  for (const int column : slices) {
    test.slices.push_back(schema.columns[static_cast<std::size_t>(column)].name);
    test.names.push_back(dataset.slice_names(column));
  }
  BatchReader reader(dataset, Split::test, kBatch);
  while (const Batch* batch = reader.next()) {
    const auto column = [&](int c) -> const BatchColumn& { return batch->columns[static_cast<std::size_t>(c)]; };
    for (std::size_t v = 0; v < credits.size(); ++v) append(test.credits[v], column(credits[v]).values, batch->rows);
    for (const int weight : schema.columns_of(ColumnKind::weight))
      append(test.weights, column(weight).values, batch->rows);
    append(test.users, column(groups.front()).keys, batch->rows);
    for (std::size_t s = 0; s < slices.size(); ++s) append(test.values[s], column(slices[s]).ids, batch->rows);
  }
  return test;
}

}  // namespace mal

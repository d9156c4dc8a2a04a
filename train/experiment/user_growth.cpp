#include "train/experiment/user_growth.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "engine/error.h"
#include "train/data/batch_reader.h"

namespace mal {

namespace {

constexpr std::int64_t kBatch = 16384;

struct Positives {
  std::int64_t view = 0, against = 0;
};

std::unordered_map<std::int64_t, Positives> count_positives(const Dataset& dataset, int view, int against, int group) {
  std::unordered_map<std::int64_t, Positives> counts;
  BatchReader reader(dataset, Split::train, kBatch);
  while (const Batch* batch = reader.next()) {
    const auto column = [&](int c) -> const BatchColumn& { return batch->columns[static_cast<std::size_t>(c)]; };
    for (std::size_t r = 0; r < static_cast<std::size_t>(batch->rows); ++r) {
      const bool in_view = column(view).values[r] > 0, in_against = column(against).values[r] > 0;
      if (!in_view && !in_against) continue;
      Positives& user = counts[column(group).keys[r]];
      user.view += in_view ? 1 : 0;
      user.against += in_against ? 1 : 0;
    }
  }
  return counts;
}

std::vector<std::string> group_names(const std::vector<double>& edges) {
  std::vector<std::string> names = {"no positives"};
  const auto percent = [](double edge) { return fmt::format("{:g} %", 100 * edge); };
  names.push_back("growth up to " + percent(edges.front()));
  for (std::size_t e = 1; e < edges.size(); ++e)
    names.push_back(fmt::format("over {} to {}", percent(edges[e - 1]), percent(edges[e])));
  names.push_back("over " + percent(edges.back()));
  return names;
}

std::int32_t group_of(const Positives& positives, const std::vector<double>& edges) {
  if (positives.against == 0) return static_cast<std::int32_t>(edges.size()) + 1;
  const double growth = static_cast<double>(positives.view) / static_cast<double>(positives.against) - 1;
  const auto edge = std::ranges::lower_bound(edges, growth);
  return static_cast<std::int32_t>(edge - edges.begin()) + 1;
}

int credit_column(const Schema& schema, const std::string& view) {
  const auto column = schema.find(view);
  if (!column || schema.columns[static_cast<std::size_t>(*column)].kind != ColumnKind::credit)
    fail_usage("the data set has no view '{}'; it has: {}", view, fmt::join(schema.views(), ", "));
  return *column;
}

}  // namespace

UserGroups group_by_growth(const Dataset& dataset, const std::string& view, const std::string& against,
                           const std::vector<double>& edges, std::span<const std::int64_t> test_users) {
  const Schema& schema = dataset.schema();
  const auto positives = count_positives(dataset, credit_column(schema, view), credit_column(schema, against),
                                         schema.columns_of(ColumnKind::group).front());
  UserGroups groups;
  groups.names = group_names(edges);
  groups.codes.reserve(test_users.size());
  for (const std::int64_t user : test_users) {
    const auto found = positives.find(user);
    groups.codes.push_back(found == positives.end() ? 0 : group_of(found->second, edges));
  }
  return groups;
}

}  // namespace mal

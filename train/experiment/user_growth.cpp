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

struct Columns {
  int view, against, group;
  int time = -1;  // where rows before `since` do not count
  std::int64_t since = 0;
};

std::unordered_map<std::int64_t, Positives> count_positives(const Dataset& dataset, const Columns& columns) {
  std::unordered_map<std::int64_t, Positives> counts;
  BatchReader reader(dataset, Split::train, kBatch);
  while (const Batch* batch = reader.next()) {
    const auto column = [&](int c) -> const BatchColumn& { return batch->columns[static_cast<std::size_t>(c)]; };
    for (std::size_t r = 0; r < static_cast<std::size_t>(batch->rows); ++r) {
      const bool in_view = column(columns.view).values[r] > 0, in_against = column(columns.against).values[r] > 0;
      if (!in_view && !in_against) continue;
      if (columns.time >= 0 && column(columns.time).keys[r] <= columns.since) continue;
      Positives& user = counts[column(columns.group).keys[r]];
      user.view += in_view ? 1 : 0;
      user.against += in_against ? 1 : 0;
    }
  }
  return counts;
}

std::vector<std::string> ratio_names(const std::vector<double>& edges) {
  std::vector<std::string> names = {"no positives"};
  const auto percent = [](double edge) { return fmt::format("{:g} %", 100 * edge); };
  names.push_back("growth up to " + percent(edges.front()));
  for (std::size_t e = 1; e < edges.size(); ++e)
    names.push_back(fmt::format("over {} to {}", percent(edges[e - 1]), percent(edges[e])));
  names.push_back("over " + percent(edges.back()));
  return names;
}

std::vector<std::string> count_names(const std::vector<double>& edges) {
  std::vector<std::string> names = {edges.front() == 0 ? "no growth" : fmt::format("up to {:.0f}", edges.front())};
  for (std::size_t e = 1; e < edges.size(); ++e) {
    const double first = edges[e - 1] + 1;
    names.push_back(first == edges[e] ? fmt::format("{:.0f}", first)
                                      : fmt::format("{:.0f} to {:.0f}", first, edges[e]));
  }
  names.push_back(fmt::format("{:.0f} or more", edges.back() + 1));
  return names;
}

std::int32_t group_of(const Positives& positives, const UserGrowth& growth) {
  const std::vector<double>& edges = growth.edges;
  const auto view = static_cast<double>(positives.view), against = static_cast<double>(positives.against);
  if (!growth.count && positives.against == 0)
    return positives.view == 0 ? 0 : static_cast<std::int32_t>(edges.size()) + 1;
  const double grown = growth.count ? view - against : view / against - 1;
  const auto edge = std::ranges::lower_bound(edges, grown);
  return static_cast<std::int32_t>(edge - edges.begin()) + (growth.count ? 0 : 1);
}

int credit_column(const Schema& schema, const std::string& view) {
  const auto column = schema.find(view);
  if (!column || schema.columns[static_cast<std::size_t>(*column)].kind != ColumnKind::credit)
    fail_usage("the data set has no view '{}'; it has: {}", view, fmt::join(schema.views(), ", "));
  return *column;
}

}  // namespace

std::vector<std::string> group_names(const UserGrowth& growth) {
  return growth.count ? count_names(growth.edges) : ratio_names(growth.edges);
}

std::vector<std::int32_t> group_by_growth(const Dataset& dataset, const std::string& view, const std::string& against,
                                          const UserGrowth& growth, std::span<const std::int64_t> test_users) {
  constexpr std::int64_t kDay = 86'400;  // times of a data set are whole seconds
  const Schema& schema = dataset.schema();
  Columns columns = {credit_column(schema, view), credit_column(schema, against),
                     schema.columns_of(ColumnKind::group).front()};
  if (growth.last_days > 0) {
    const std::vector<int> times = schema.columns_of(ColumnKind::time);
    if (times.empty()) fail_usage("{}: the data set has no time column, which last_days asks for", dataset.path());
    columns.time = times.front();
    columns.since = dataset.stats(Split::train).last_time - growth.last_days * kDay;
  }
  const auto positives = count_positives(dataset, columns);
  std::vector<std::int32_t> codes;
  codes.reserve(test_users.size());
  for (const std::int64_t user : test_users) {
    const auto found = positives.find(user);
    codes.push_back(group_of(found == positives.end() ? Positives() : found->second, growth));
  }
  return codes;
}

}  // namespace mal

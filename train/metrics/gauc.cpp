#include "train/metrics/gauc.h"

#include <algorithm>
#include <unordered_map>
#include <vector>

#include "train/metrics/auc.h"
#include "train/metrics/sample.h"

namespace mal {

namespace {

// Rows of user g are rows[begin[g]] … rows[begin[g + 1] − 1], in the order given; users by first appearance.
struct RowsByUser {
  std::vector<std::uint32_t> rows;
  std::vector<std::size_t> begin;
};

RowsByUser split_by_user(std::span<const std::int64_t> groups, std::span<const std::uint32_t> order) {
  std::unordered_map<std::int64_t, std::uint32_t> index;
  std::vector<std::uint32_t> user_of_row(groups.size());
  std::vector<std::size_t> counts;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const auto [found, added] = index.emplace(groups[i], static_cast<std::uint32_t>(counts.size()));
    if (added) counts.push_back(0);
    user_of_row[i] = found->second;
    ++counts[found->second];
  }
  RowsByUser result;
  result.begin.resize(counts.size() + 1);
  for (std::size_t g = 0; g < counts.size(); ++g) result.begin[g + 1] = result.begin[g] + counts[g];
  std::vector<std::size_t> next(result.begin.begin(), result.begin.end() - 1);
  result.rows.resize(order.size());
  for (const std::uint32_t row : order) result.rows[next[user_of_row[row]]++] = row;
  return result;
}

}  // namespace

GroupedAuc grouped_auc(std::span<const float> logits, std::span<const float> credits,
                       std::span<const std::int64_t> groups, std::span<const std::uint32_t> order,
                       const RowWeights& weights) {
  const RowsByUser by_user = split_by_user(groups, order);
  GroupedAuc result;
  result.all_users = static_cast<std::int64_t>(by_user.begin.size()) - 1;
  Sum clicks, mean, positives;
  double all_clicks = 0, all_positives = 0;
  for (std::size_t g = 0; g + 1 < by_user.begin.size(); ++g) {
    const std::span<const std::uint32_t> rows(by_user.rows.data() + by_user.begin[g],
                                              by_user.begin[g + 1] - by_user.begin[g]);
    const std::optional<double> auc = weighted_auc(logits, credits, rows, weights);
    if (!auc) continue;
    double rows_u = 0, positives_u = 0;
    for (const std::uint32_t row : rows) {
      rows_u += weights.of(row);
      if (is_positive(credits[row])) positives_u += weights.of(row);
    }
    clicks.add(rows_u * *auc);
    mean.add(*auc);
    positives.add(positives_u * *auc);
    all_clicks += rows_u;
    all_positives += positives_u;
    ++result.users;
  }
  if (result.users == 0) return result;
  result.by_clicks = clicks.value() / all_clicks;
  result.mean = mean.value() / static_cast<double>(result.users);
  result.by_positives = positives.value() / all_positives;
  return result;
}

}  // namespace mal

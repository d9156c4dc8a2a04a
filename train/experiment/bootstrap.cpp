#include "train/experiment/bootstrap.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <unordered_map>

#include "engine/error.h"
#include "engine/random.h"
#include "train/metrics/auc.h"
#include "train/metrics/sample.h"

namespace mal {

namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kLanes = UserResamples::kLanes;
using Lanes = std::array<double, kLanes>;

// A user with rows of both classes: what GAUC sums.
struct UserAuc {
  std::uint32_t user;
  double clicks, auc;
};

std::vector<UserAuc> user_aucs(std::span<const float> logits, std::span<const float> credits,
                               std::span<const std::uint32_t> users, std::span<const std::uint32_t> order,
                               std::size_t all_users, const RowWeights& weights) {
  std::vector<std::vector<std::uint32_t>> rows(all_users);
  for (const std::uint32_t row : order) rows[users[row]].push_back(row);
  std::vector<UserAuc> result;
  for (std::size_t u = 0; u < all_users; ++u)
    if (const std::optional<double> auc = weighted_auc(logits, credits, rows[u], weights)) {
      double clicks = 0;
      for (const std::uint32_t row : rows[u]) clicks += weights.of(row);
      result.push_back({static_cast<std::uint32_t>(u), clicks, *auc});
    }
  return result;
}

void add_gauc(const std::vector<UserAuc>& users, const UserResamples& resamples, std::size_t block, Lanes& gauc) {
  Lanes sum{}, clicks{};
  for (const UserAuc& u : users) {
    const std::uint8_t* counts = resamples.counts(block, u.user);
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const double weight = u.clicks * counts[lane];
      sum[lane] += weight * u.auc;
      clicks[lane] += weight;
    }
  }
  for (std::size_t lane = 0; lane < kLanes; ++lane)
    gauc[lane] = clicks[lane] > 0 ? sum[lane] / clicks[lane] : kUndefined;
}

// Rows by ascending score, as the pass over them wants them.
struct SortedRow {
  std::uint32_t user;
  bool positive, last_of_tie;
  double weight;
};

std::vector<SortedRow> sorted_rows(std::span<const float> logits, std::span<const float> credits,
                                   std::span<const std::uint32_t> users, std::span<const std::uint32_t> order,
                                   const RowWeights& weights) {
  std::vector<SortedRow> rows(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::uint32_t row = order[i];
    const bool last = i + 1 == order.size() || logits[order[i + 1]] != logits[row];
    rows[i] = {users[row], is_positive(credits[row]), last, sample_weight(credits[row]) * weights.of(row)};
  }
  return rows;
}

// weighted_auc of kLanes resamples at once.
void add_auc(const std::vector<SortedRow>& rows, const UserResamples& resamples, std::size_t block, Lanes& auc) {
  Lanes won{}, positives{}, negatives{}, tied_positives{}, tied_negatives{};
  for (const SortedRow& row : rows) {
    const std::uint8_t* counts = resamples.counts(block, row.user);
    const double weight = row.weight;
    Lanes& tied = row.positive ? tied_positives : tied_negatives;
    for (std::size_t lane = 0; lane < kLanes; ++lane) tied[lane] += weight * counts[lane];
    if (!row.last_of_tie) continue;
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      won[lane] += tied_positives[lane] * (negatives[lane] + 0.5 * tied_negatives[lane]);
      positives[lane] += tied_positives[lane];
      negatives[lane] += tied_negatives[lane];
    }
    tied_positives = tied_negatives = Lanes{};
  }
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    const bool both = positives[lane] > 0 && negatives[lane] > 0;
    auc[lane] = both ? won[lane] / (positives[lane] * negatives[lane]) : kUndefined;
  }
}

}  // namespace

UserResamples::UserResamples(std::span<const std::int64_t> groups, std::int64_t resamples, std::uint64_t seed)
    : resamples_(resamples), blocks_((static_cast<std::size_t>(resamples) + kLanes - 1) / kLanes) {
  std::unordered_map<std::int64_t, std::uint32_t> index;
  user_of_row_.reserve(groups.size());
  for (const std::int64_t group : groups)
    user_of_row_.push_back(index.emplace(group, static_cast<std::uint32_t>(index.size())).first->second);
  users_ = index.size();
  counts_.resize(blocks_ * users_ * kLanes);
  const Random random(seed, "bootstrap");
  for (std::size_t r = 0; r < static_cast<std::size_t>(resamples); ++r)
    for (std::size_t draw = 0; draw < users_; ++draw) {
      const std::uint64_t user = random.below(r * users_ + draw, users_);
      std::uint8_t& count = counts_[((r / kLanes) * users_ + user) * kLanes + r % kLanes];
      // A user is drawn once on average; 255 times is beyond any chance.
      if (count == std::numeric_limits<std::uint8_t>::max()) fail("a user was drawn over 255 times in one resample");
      ++count;
    }
}

ResampledMetrics resample_metrics(std::span<const float> logits, std::span<const float> credits,
                                  std::span<const std::uint32_t> users, const UserResamples& resamples,
                                  const RowWeights& weights) {
  const std::vector<std::uint32_t> order = order_by_logit(logits);
  const std::vector<UserAuc> aucs = user_aucs(logits, credits, users, order, resamples.users(), weights);
  const std::vector<SortedRow> rows = sorted_rows(logits, credits, users, order, weights);
  ResampledMetrics result;
  for (std::size_t block = 0; block < resamples.blocks(); ++block) {
    Lanes gauc, auc;
    add_gauc(aucs, resamples, block, gauc);
    add_auc(rows, resamples, block, auc);
    result.gauc.insert(result.gauc.end(), gauc.begin(), gauc.end());
    result.auc.insert(result.auc.end(), auc.begin(), auc.end());
  }
  result.gauc.resize(static_cast<std::size_t>(resamples.resamples()));
  result.auc.resize(static_cast<std::size_t>(resamples.resamples()));
  return result;
}

}  // namespace mal

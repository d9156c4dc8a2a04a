// How far a metric would move with other users: users are drawn with replacement, and every model is scored on the same
// draws, so that what models have in common cancels in their difference (Efron and Tibshirani, 1993).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "train/metrics/sample.h"

namespace mal {

// Draws of as many users as there are. One object serves every model, seed and slice of a test set.
class UserResamples {
 public:
  // groups: the user of each row. The draws depend on the number of users, `resamples` and `seed` alone.
  UserResamples(std::span<const std::int64_t> groups, std::int64_t resamples, std::uint64_t seed);

  std::int64_t resamples() const { return resamples_; }
  std::size_t users() const { return users_; }
  const std::vector<std::uint32_t>& user_of_row() const { return user_of_row_; }  // users by first appearance

  // Resamples are worked on in blocks: for each user, how often each of the kLanes resamples of the block drew them.
  static constexpr std::size_t kLanes = 16;
  std::size_t blocks() const { return blocks_; }
  const std::uint8_t* counts(std::size_t block, std::size_t user) const {
    return counts_.data() + (block * users_ + user) * kLanes;
  }

 private:
  std::int64_t resamples_;
  std::size_t users_ = 0, blocks_;
  std::vector<std::uint32_t> user_of_row_;
  std::vector<std::uint8_t> counts_;  // [block][user][lane]
};

// A metric on each resample, as docs/metrics.md defines it, where a row counts as often as its user was drawn (and a
// user drawn twice is two users of GAUC). NaN where a resample holds no class or no user with both.
struct ResampledMetrics {
  std::vector<double> gauc, auc;
};

// Of some rows of the test set: their logits, credits and users (of user_of_row). O(rows · resamples), rows · 16 at a
// time.
ResampledMetrics resample_metrics(std::span<const float> logits, std::span<const float> credits,
                                  std::span<const std::uint32_t> users, const UserResamples& resamples,
                                  const RowWeights& weights = {});

}  // namespace mal

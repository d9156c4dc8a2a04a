#include "train/days/resample_ratio.h"

#include <algorithm>
#include <array>
#include <limits>

namespace mal {

namespace {

constexpr std::size_t kLanes = UserResamples::kLanes;

// What a user's rows add to each sum.
struct UserSums {
  std::uint32_t user;
  double weight = 0, loss = 0, predicted = 0, observed = 0;
};

// Of users with rows.
std::vector<UserSums> sums_of(std::span<const float> logits, std::span<const float> credits,
                              std::span<const std::uint32_t> users, std::size_t all_users, const RowWeights& weights) {
  std::vector<UserSums> sums(all_users);
  for (std::size_t row = 0; row < logits.size(); ++row) {
    const auto logit = static_cast<double>(logits[row]);
    const bool positive = is_positive(credits[row]);
    const double w = sample_weight(credits[row]) * weights.of(row);
    UserSums& of = sums[users[row]];
    of.weight += w;
    of.loss += w * softplus(positive ? -logit : logit);
    of.predicted += w * sigmoid(logit);
    if (positive) of.observed += w;
  }
  for (std::size_t u = 0; u < all_users; ++u) sums[u].user = static_cast<std::uint32_t>(u);
  std::erase_if(sums, [](const UserSums& of) { return of.weight == 0; });
  return sums;
}

double ratio(double a, double b) {
  return b > 0 ? a / b : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace

ResampledCalibration resample_calibration(std::span<const float> logits, std::span<const float> credits,
                                          std::span<const std::uint32_t> users, const UserResamples& resamples,
                                          const RowWeights& weights) {
  const std::vector<UserSums> sums = sums_of(logits, credits, users, resamples.users(), weights);
  ResampledCalibration result;
  for (std::size_t block = 0; block < resamples.blocks(); ++block) {
    std::array<UserSums, kLanes> lanes{};
    for (const UserSums& of : sums) {
      const std::uint8_t* counts = resamples.counts(block, of.user);
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        const auto times = static_cast<double>(counts[lane]);
        lanes[lane].weight += times * of.weight;
        lanes[lane].loss += times * of.loss;
        lanes[lane].predicted += times * of.predicted;
        lanes[lane].observed += times * of.observed;
      }
    }
    for (const UserSums& lane : lanes) {
      result.logloss.push_back(ratio(lane.loss, lane.weight));
      result.pcoc.push_back(ratio(lane.predicted, lane.observed));
    }
  }
  result.logloss.resize(static_cast<std::size_t>(resamples.resamples()));
  result.pcoc.resize(static_cast<std::size_t>(resamples.resamples()));
  return result;
}

}  // namespace mal

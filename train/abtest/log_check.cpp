#include "train/abtest/log_check.h"

#include <algorithm>
#include <cstdio>

#include "engine/error.h"
#include "train/config/parallel.h"
#include "train/metrics/auc.h"
#include "train/simulate/platform_csv.h"

namespace mal {

Place place_of(const WarmUp& warm, const PastClick& past, const Random& log_noise) {
  const WorldParameters& p = warm.world.parameters;
  const Ad& ad = warm.world.ads[past.click.ad];
  const std::uint32_t user = past.click.user;
  Place place = {};
  place.showing = {user, warm.profiles[user], past.click.time, past.click.channel,
                   std::span(warm.past_seen).subspan(past.first_seen, past.history)};
  place.industry = ad.industry;
  place.noise = {&log_noise, past.index * 2 * static_cast<std::uint64_t>(p.scores.history)};
  Candidate candidate = {.ad = past.click.ad};
  candidate.intent = past.intent;
  candidate.weight = past.weight;
  candidate.propensity = p.industries[ad.industry].conversion * static_cast<double>(warm.states[user].user.propensity);
  place.candidates.push_back(candidate);
  return place;
}

LogCheck check_on_log(const Arm& arm, const WarmUp& warm, int threads) {
  constexpr std::size_t kChunk = 2048;
  const Random log_noise(warm.world.seed, kScoreNoise);
  const std::size_t clicks = warm.past.size();
  std::vector<float> scores(clicks), credits(clicks);
  std::vector<Bidder::Counts> counts((clicks + kChunk - 1) / kChunk);
  parallel_for(counts.size(), thread_count(threads), [&](std::size_t chunk) {
    const std::unique_ptr<Bidder> bidder = arm.bidder();
    for (std::size_t i = chunk * kChunk; i < std::min(clicks, (chunk + 1) * kChunk); ++i) {
      double probability = 0;
      bidder->predict(place_of(warm, warm.past[i], log_noise), {&probability, 1});
      scores[i] = static_cast<float>(probability);
      credits[i] = warm.past[i].converted ? 1.0F : 0.0F;
    }
    counts[chunk] = bidder->counts;
  });
  LogCheck check;
  check.clicks = clicks;
  for (std::size_t i = 0; i < clicks; ++i) {
    check.predicted += static_cast<double>(scores[i]);
    check.converted += static_cast<double>(credits[i]);
  }
  check.auc = weighted_auc(scores, credits, order_by_logit(scores));
  for (const Bidder::Counts& of : counts) {
    check.unknown_users += static_cast<double>(of.unknown_users) / static_cast<double>(clicks);
    check.unknown_ads += static_cast<double>(of.unknown_ads) / static_cast<double>(clicks);
  }
  return check;
}

void judge(const LogCheck& check, const ArmSpec& arm) {
  constexpr double kMost = 0.5, kMany = 0.1, kHardly = 0.55;
  const double unknown = std::max(check.unknown_users, check.unknown_ads);
  if (unknown > kMost)
    fail(
        "{}: training did not see the ids of {:.0f} % of the log's last clicks; give the --seed, --world, --users and "
        "--from-day (the log's --days) of the `mal_data simulate` that the run was trained on",
        arm.source, 100 * unknown);
  if (unknown > kMany)
    fmt::print(stderr, "note: {}: training did not see the ids of {:.0f} % of the log's last clicks\n", arm.source,
               100 * unknown);
  if (arm.is_model() && check.auc && *check.auc < kHardly)
    fmt::print(stderr,
               "note: {}: AUC {:.3f} on the log's last clicks; was it trained on the log of this --seed and --world?\n",
               arm.source, *check.auc);
}

}  // namespace mal

#include "train/abtest/warm_up.h"

#include <algorithm>
#include <unordered_map>

#include "train/config/parallel.h"
#include "train/config/progress.h"
#include "train/simulate/choices.h"
#include "train/simulate/intent.h"

namespace mal {

namespace {

struct UserLog {
  std::vector<SimulatedClick> clicks;
  std::vector<SimulatedConversion> conversions;
  std::vector<bool> converted;           // one a click
  std::vector<double> intents, weights;  // likewise: before the click, and what it added
};

// Last click: of the same advertiser and before the conversion.
void credit_last_clicks(const World& world, UserLog& log) {
  log.converted.assign(log.clicks.size(), false);
  for (const SimulatedConversion& conversion : log.conversions)
    for (std::size_t c = log.clicks.size(); c > 0; --c) {
      const SimulatedClick& click = log.clicks[c - 1];
      if (click.time >= conversion.time || world.ads[click.ad].advertiser != conversion.advertiser) continue;
      log.converted[c - 1] = true;
      break;
    }
}

// What the simulation did not write down: it is a function of the clicks and conversions.
void replay_intents(const World& world, const User& settled, std::uint32_t user_id, UserLog& log) {
  log.intents.clear();
  log.weights.clear();
  struct Last {
    double intent;
    std::int64_t time;
  };
  std::unordered_map<std::uint32_t, Last> lasts;
  std::unordered_map<std::uint32_t, std::vector<std::int64_t>> conversions;
  for (const SimulatedConversion& conversion : log.conversions)
    conversions[conversion.advertiser].push_back(conversion.time);
  int day = -1;
  User user = settled;
  for (const SimulatedClick& click : log.clicks) {
    const Ad& ad = world.ads[click.ad];
    const int today = static_cast<int>((click.time - kSimulationStart) / 86400);
    if (world.parameters.drifts() && today != day) user = user_on(world, settled, day = today);
    const double weight = click_weight(world, ad, click.channel, match_of(world, user, user_id, ad), today, click.time);
    Last& last = lasts.try_emplace(ad.advertiser, Last{0, click.time}).first->second;
    double intent = decayed(last.intent, static_cast<double>(click.time - last.time),
                            world.parameters.industries[ad.industry].half_life_days * 86400);
    if (const auto bought = conversions.find(ad.advertiser); bought != conversions.end())
      for (const std::int64_t time : bought->second)
        if (last.time < time && time <= click.time) intent = 0;
    log.intents.push_back(intent);
    log.weights.push_back(weight);
    last = {intent + weight, click.time};
  }
}

class Builder {
 public:
  explicit Builder(WarmUp& warm) : warm_(warm) {
    clicks_.assign(warm.world.parameters.industries.size(), 0);
    converted_.assign(clicks_.size(), 0);
    warm_.clicks_a_day.assign(warm.world.advertisers.size(), 0);
  }

  void add(const UserLog& log) {
    const auto history = static_cast<std::size_t>(warm_.world.parameters.scores.history);
    const std::int64_t from = kSimulationStart + std::int64_t{warm_.days - kCalibrationDays} * 86400;
    std::size_t past = 0;
    for (std::size_t c = 0; c < log.clicks.size(); ++c) {
      const Ad& ad = warm_.world.ads[log.clicks[c].ad];
      clicks_[ad.industry] += 1;
      converted_[ad.industry] += log.converted[c] ? 1 : 0;
      warm_.clicks_a_day[ad.advertiser] += 1.0 / warm_.days;
      past += log.clicks[c].time >= from ? 1 : 0;
    }
    full_ = full_ || warm_.past.size() + past > kPastClicks;
    for (std::size_t c = log.clicks.size() - past; c < log.clicks.size() && !full_; ++c) {
      const std::size_t seen = std::min(c, history);
      warm_.past.push_back({log.clicks[c], warm_.clicks + c, log.converted[c], log.intents[c], log.weights[c],
                            warm_.past_seen.size(), seen});
      for (std::size_t s = c - seen; s < c; ++s) warm_.past_seen.push_back(log.clicks[s].ad);
    }
    std::vector<std::uint32_t>& last = warm_.seen.emplace_back();
    for (std::size_t c = log.clicks.size() - std::min(log.clicks.size(), history); c < log.clicks.size(); ++c)
      last.push_back(log.clicks[c].ad);
    warm_.clicks += log.clicks.size();
    warm_.conversions += log.conversions.size();
  }

  void finish() {
    double clicks = 0, converted = 0;
    for (std::size_t i = 0; i < clicks_.size(); ++i) clicks += clicks_[i], converted += converted_[i];
    const double all = clicks > 0 ? converted / clicks : 0;
    for (std::size_t i = 0; i < clicks_.size(); ++i)
      warm_.rates.push_back(converted_[i] > 0 ? converted_[i] / clicks_[i] : all);
  }

 private:
  WarmUp& warm_;
  std::vector<double> clicks_, converted_;  // one an industry
  bool full_ = false;
};

}  // namespace

WarmUp warm_up(std::uint64_t seed, const WorldParameters& parameters, std::uint32_t users, int days, int threads,
               bool progress) {
  constexpr std::uint32_t kBlock = 64;
  WarmUp warm;
  warm.world = make_world(seed, parameters, days);
  warm.days = days;
  warm.states.resize(users);
  warm.profiles.resize(users);
  Builder builder(warm);
  Progress shown("warm-up users", users);
  std::vector<UserLog> wave(std::size_t{kBlock} * static_cast<std::size_t>(thread_count(threads)) * 4);
  for (std::uint32_t first = 0; first < users; first += static_cast<std::uint32_t>(wave.size())) {
    const std::size_t size = std::min<std::size_t>(wave.size(), users - first);
    parallel_for((size + kBlock - 1) / kBlock, thread_count(threads), [&](std::size_t block) {
      for (std::size_t i = block * kBlock; i < std::min(size, (block + 1) * kBlock); ++i) {
        UserLog& log = wave[i];
        log.clicks.clear();
        log.conversions.clear();
        const auto user = first + static_cast<std::uint32_t>(i);
        warm.profiles[user] = simulate_user(warm.world, user, log.clicks, log.conversions, &warm.states[user]);
        credit_last_clicks(warm.world, log);
        replay_intents(warm.world, warm.states[user].user, user, log);
      }
    });
    for (std::size_t i = 0; i < size; ++i) builder.add(wave[i]);
    if (progress) shown.update(first + size);
  }
  if (progress) shown.finish();
  builder.finish();
  return warm;
}

}  // namespace mal

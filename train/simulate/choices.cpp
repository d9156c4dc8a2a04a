#include "train/simulate/choices.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "train/simulate/intent.h"
#include "train/simulate/user_path.h"

namespace mal {

namespace {

// On the effect of a click at that time.
double mood(const WorldParameters& parameters, std::int64_t time) {
  const std::int64_t hour = time / 3600 % 24;
  const bool weekend = (time - kSimulationStart) / 86400 % 7 >= 5;
  const auto& factors = parameters.conversions;
  return (hour >= 19 && hour < 23 ? factors.evening
          : hour < 7              ? factors.night
                                  : 1.0) *
         (weekend ? factors.weekend : 1.0);
}

}  // namespace

void exponentiate(std::span<double> logs) {
  constexpr double kReach = 600;
  const double largest = *std::ranges::max_element(logs);
  const double shift = largest - std::clamp(largest, -kReach, kReach);
  for (double& log : logs) log = std::exp(log - shift);
}

double sessions_of(const WorldParameters& parameters, const User& user, int day) {
  return static_cast<double>(user.activity) * (day % 7 >= 5 ? parameters.clicks.weekend : parameters.clicks.weekday);
}

std::size_t interesting_industry(const World& world, const User& user, Draws& draws) {
  const std::vector<Industry>& industries = world.parameters.industries;
  std::array<double, kMaxIndustries> weights = {};
  constexpr double kNone = -std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < industries.size(); ++i)
    weights[i] = industries[i].share > 0 ? static_cast<double>(user.interest[i]) : kNone;
  exponentiate(std::span(weights).first(industries.size()));
  for (std::size_t i = 0; i < industries.size(); ++i) weights[i] *= industries[i].share;
  return draws.choose(std::span(weights).first(industries.size()));
}

std::uint32_t popular_ad(const World& world, std::size_t industry, int day, Draws& draws) {
  constexpr int kAttempts = 64;
  const std::vector<double>& popularity = world.popularity[industry];
  const std::vector<std::uint32_t>& ads = world.industry_ads[industry];
  if (ads.empty()) return kNoAd;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const double where = draws.uniform() * popularity.back();
    const auto found = std::upper_bound(popularity.begin(), popularity.end() - 1, where);
    const std::uint32_t ad = ads[static_cast<std::size_t>(found - popularity.begin())];
    if (world.ads[ad].stay.on(day)) return ad;
  }
  // Few are there: choose among those, which is the same distribution.
  std::vector<double> weights(ads.size());
  double sum = 0;
  for (std::size_t i = 0; i < ads.size(); ++i) {
    if (world.ads[ads[i]].stay.on(day)) weights[i] = popularity[i] - (i > 0 ? popularity[i - 1] : 0);
    sum += weights[i];
  }
  return sum > 0 ? ads[draws.choose(weights)] : kNoAd;
}

std::uint32_t returned_ad(const World& world, std::uint32_t advertiser_id, std::uint32_t last_ad, int day,
                          Draws& draws) {
  if (draws.uniform() < world.parameters.clicks.same_ad && world.ads[last_ad].stay.on(day)) return last_ad;
  const Advertiser& advertiser = world.advertisers[advertiser_id];
  std::vector<std::uint32_t> there;
  for (std::uint32_t ad = advertiser.first_ad; ad < advertiser.first_ad + advertiser.ads; ++ad)
    if (world.ads[ad].stay.on(day)) there.push_back(ad);
  return there.empty() ? kNoAd : there[draws.below(there.size())];
}

std::size_t choose_channel(const WorldParameters& parameters, bool back, Draws& draws) {
  std::array<double, kMaxChannels> weights = {};
  const std::vector<Channel>& channels = parameters.channels;
  for (std::size_t c = 0; c < channels.size(); ++c) weights[c] = back ? channels[c].back : channels[c].fresh;
  return draws.choose(std::span(weights).first(channels.size()));
}

double return_weight(const World& world, std::uint32_t advertiser, double pull, double seconds) {
  const WorldParameters& p = world.parameters;
  const Industry& industry = p.industries[world.advertisers[advertiser].industry];
  // One remembers for longer than one intends to buy.
  const double memory = 86400 * (p.clicks.memory_days + industry.half_life_days);
  return p.clicks.returns * industry.revisit * pull * decayed(1.0, seconds, memory);
}

double match_of(const World& world, const User& user, std::uint32_t user_id, const Ad& ad) {
  return bounded_exp(match_score(world, user, user_id, ad) - world.parameters.match.mean);
}

double click_weight(const World& world, const Ad& ad, std::size_t channel, double match, int day, std::int64_t time) {
  return world.effect(channel, day) * match * world.quality(ad, day) * mood(world.parameters, time);
}

}  // namespace mal

#include "train/simulate/user_path.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <span>

#include "train/simulate/intent.h"

namespace mal {

namespace {

constexpr double kDay = 86400;

// Logarithms to weights of choose(). Shifted where the largest is out of exp's reach, as years of drift may leave it.
void exponentiate(std::span<double> logs) {
  constexpr double kReach = 600;
  const double largest = *std::ranges::max_element(logs);
  const double shift = largest - std::clamp(largest, -kReach, kReach);
  for (double& log : logs) log = std::exp(log - shift);
}

// What a user has with one advertiser.
struct Relation {
  std::uint32_t advertiser, last_ad;
  double intent = 0;  // at last_time
  double pull = 1;    // scales the return weight
  std::int64_t last_time = 0;
  std::int64_t conversion = std::numeric_limits<std::int64_t>::max();  // sampled at last_time, if no click comes before
  struct Contribution {
    std::size_t click;  // index into clicks
    double weight;
  };
  std::vector<Contribution> contributions;  // since the last conversion
};

class UserPath {
 public:
  UserPath(const World& world, std::uint32_t user_id, const Random& behaviour, const Random& profiles,
           std::vector<SimulatedClick>& clicks, std::vector<SimulatedConversion>& conversions)
      : world_(world),
        user_id_(user_id),
        settled_(make_user(world, profiles, user_id)),
        user_(settled_),
        days_(world.days),
        end_(kSimulationStart + std::int64_t{world.days + kMaturityDays} * 86400),
        draws_(behaviour, user_id),
        clicks_(clicks),
        conversions_(conversions) {}

  Profile profile() const {
    return {static_cast<std::uint8_t>(settled_.age), static_cast<std::uint8_t>(settled_.gender),
            static_cast<std::uint8_t>(settled_.city), static_cast<std::uint8_t>(settled_.spending)};
  }

  void run() {
    for (int day = 0; day < days_; ++day)
      if (settled_.stay.on(day)) run_day(day);
    for (Relation& relation : relations_) settle(relation, end_);
    const int organic = draws_.poisson(p_.conversions.organic * days_);
    for (int i = 0; i < organic; ++i) buy_unprompted();
  }

 private:
  void run_day(int day) {
    day_ = day;
    if (p_.drifts()) user_ = user_on(world_, settled_, day);
    const double weekend = day % 7 >= 5 ? p_.clicks.weekend : p_.clicks.weekday;
    std::vector<std::int64_t> starts;
    const int sessions = draws_.poisson(static_cast<double>(user_.activity) * weekend);
    for (int s = 0; s < sessions; ++s) {
      const double hour = static_cast<double>(draws_.choose(p_.hours)) + draws_.uniform();
      starts.push_back(kSimulationStart + std::int64_t{day} * 86400 + static_cast<std::int64_t>(hour * 3600));
    }
    std::sort(starts.begin(), starts.end());
    for (const std::int64_t start : starts) run_session(start);
  }

  void run_session(std::int64_t start) {
    std::int64_t time = std::max(start, last_click_ + 1);
    // A session that would run past midnight of the last day is cut: every click is inside the days.
    const std::int64_t close = kSimulationStart + std::int64_t{days_} * 86400;
    do {
      if (time >= close) return;
      click(time);
      time += 5 + static_cast<std::int64_t>(90 * draws_.exponential());
    } while (draws_.uniform() < 1 - 1 / p_.clicks.per_session);
  }

  void click(std::int64_t time) {
    last_click_ = time;
    std::vector<double> weights = {1.0};  // of something new
    for (Relation& relation : relations_) {
      settle(relation, time);
      weights.push_back(return_weight(relation, time));
    }
    const std::size_t chosen = draws_.choose(weights);
    std::uint32_t ad = chosen == 0 ? kNoAd : returned_ad(relations_[chosen - 1]);
    if (ad == kNoAd) ad = fresh_ad();
    if (ad != kNoAd) expose(ad, time);
    forget(time);
  }

  double return_weight(const Relation& relation, std::int64_t time) const {
    const Industry& industry = p_.industries[world_.advertisers[relation.advertiser].industry];
    // One remembers for longer than one intends to buy.
    const double memory = kDay * (p_.clicks.memory_days + industry.half_life_days);
    return p_.clicks.returns * industry.revisit * relation.pull *
           decayed(1.0, static_cast<double>(time - relation.last_time), memory);
  }

  // kNoAd: none of the industry is there today.
  std::uint32_t fresh_ad() {
    std::array<double, kMaxIndustries> weights = {};
    constexpr double kNone = -std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < p_.industries.size(); ++i)
      weights[i] = p_.industries[i].share > 0 ? static_cast<double>(user_.interest[i]) : kNone;
    exponentiate(std::span(weights).first(p_.industries.size()));
    for (std::size_t i = 0; i < p_.industries.size(); ++i) weights[i] *= p_.industries[i].share;
    const std::size_t industry = draws_.choose(std::span(weights).first(p_.industries.size()));
    const auto candidates = static_cast<std::size_t>(p_.clicks.candidates);
    std::array<std::uint32_t, kMaxCandidates> ads = {};
    std::array<double, kMaxCandidates> suits = {};
    for (std::size_t c = 0; c < candidates; ++c) {
      ads[c] = popular_ad(industry);
      if (ads[c] == kNoAd) return kNoAd;
      suits[c] = match_score(world_, user_, user_id_, world_.ads[ads[c]]);
    }
    exponentiate(std::span(suits).first(candidates));
    return ads[draws_.choose(std::span(suits).first(candidates))];
  }

  // An ad that is there today, by popularity.
  std::uint32_t popular_ad(std::size_t industry) {
    const std::vector<double>& popularity = world_.popularity[industry];
    const std::vector<std::uint32_t>& ads = world_.industry_ads[industry];
    if (ads.empty()) return kNoAd;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      const double where = draws_.uniform() * popularity.back();
      const auto found = std::upper_bound(popularity.begin(), popularity.end() - 1, where);
      const std::uint32_t ad = ads[static_cast<std::size_t>(found - popularity.begin())];
      if (world_.ads[ad].stay.on(day_)) return ad;
    }
    // Few are there: choose among those, which is the same distribution.
    std::vector<double> weights(ads.size());
    double sum = 0;
    for (std::size_t i = 0; i < ads.size(); ++i) {
      if (world_.ads[ads[i]].stay.on(day_)) weights[i] = popularity[i] - (i > 0 ? popularity[i - 1] : 0);
      sum += weights[i];
    }
    return sum > 0 ? ads[draws_.choose(weights)] : kNoAd;
  }

  // kNoAd: the advertiser has none today.
  std::uint32_t returned_ad(const Relation& relation) {
    if (draws_.uniform() < p_.clicks.same_ad && world_.ads[relation.last_ad].stay.on(day_)) return relation.last_ad;
    const Advertiser& advertiser = world_.advertisers[relation.advertiser];
    std::vector<std::uint32_t> there;
    for (std::uint32_t ad = advertiser.first_ad; ad < advertiser.first_ad + advertiser.ads; ++ad)
      if (world_.ads[ad].stay.on(day_)) there.push_back(ad);
    return there.empty() ? kNoAd : there[draws_.below(there.size())];
  }

  // The click happens: it raises the intent, and a new time of conversion is drawn.
  void expose(std::uint32_t ad_id, std::int64_t time) {
    const Ad& ad = world_.ads[ad_id];
    const Industry& industry = p_.industries[ad.industry];
    const auto found = std::find_if(relations_.begin(), relations_.end(),
                                    [&ad](const Relation& r) { return r.advertiser == ad.advertiser; });
    const bool back = found != relations_.end();
    if (!back)
      relations_.push_back({.advertiser = ad.advertiser, .last_ad = ad_id, .last_time = time, .contributions = {}});
    Relation& relation = back ? *found : relations_.back();
    const std::size_t channel = choose_channel(back);
    const double match = bounded_exp(match_score(world_, user_, user_id_, ad) - p_.match.mean);
    const double weight = world_.effect(channel, day_) * match * world_.quality(ad, day_) * mood(time);
    clicks_.push_back({time, user_id_, ad_id, static_cast<std::uint32_t>(channel), 0.0F});

    const double half_life = industry.half_life_days * kDay;
    relation.intent = decayed(relation.intent, static_cast<double>(time - relation.last_time), half_life) + weight;
    relation.last_time = time;
    relation.last_ad = ad_id;
    relation.pull = back ? relation.pull : std::min(2.0, match);
    relation.contributions.push_back({clicks_.size() - 1, weight});
    draw_conversion(relation, industry, time);
  }

  void draw_conversion(Relation& relation, const Industry& industry, std::int64_t time) {
    const double half_life = industry.half_life_days * kDay;
    const Hazard hazard = {half_life,
                           industry.conversion * static_cast<double>(user_.propensity) * std::numbers::ln2 / half_life};
    const double wait = sample_conversion(hazard, relation.intent, static_cast<double>(end_ - time), draws_);
    // Rounded up: a conversion comes after the click that caused it.
    relation.conversion = std::isfinite(wait) ? time + 1 + static_cast<std::int64_t>(wait) : kNever;
  }

  // If the drawn conversion happens before `now`, it happens.
  void settle(Relation& relation, std::int64_t now) {
    if (relation.conversion >= now) return;
    const std::uint32_t industry = world_.advertisers[relation.advertiser].industry;
    const double half_life = p_.industries[industry].half_life_days * kDay;
    std::vector<double> contributions, shares(relation.contributions.size());
    for (const Relation::Contribution& c : relation.contributions)
      contributions.push_back(
          decayed(c.weight, static_cast<double>(relation.conversion - clicks_[c.click].time), half_life));
    shapley_shares(contributions, shares);
    for (std::size_t k = 0; k < shares.size(); ++k) {
      float& oracle = clicks_[relation.contributions[k].click].oracle;
      oracle = std::min(1.0F, oracle + static_cast<float>(shares[k]));
    }
    record(relation.conversion, relation.advertiser, world_.ads[relation.last_ad]);
    relation.intent = 0;
    relation.pull *= p_.clicks.after_purchase;
    relation.conversion = kNever;
    relation.contributions.clear();
  }

  void record(std::int64_t time, std::uint32_t advertiser, const Ad& ad) {
    conversions_.push_back(
        {time, user_id_, advertiser,
         static_cast<float>(static_cast<double>(ad.price) * std::exp(p_.conversions.value_spread * draws_.normal()))});
  }

  void buy_unprompted() {
    std::uint32_t ad = fresh_ad();
    const auto time = kSimulationStart + static_cast<std::int64_t>(draws_.uniform() * days_ * kDay);
    if (p_.changes()) {  // the ad is one of that day
      day_ = static_cast<int>((time - kSimulationStart) / 86400);
      if (!settled_.stay.on(day_)) return;
      user_ = user_on(world_, settled_, day_);
      ad = fresh_ad();
    }
    if (ad != kNoAd) record(time, world_.ads[ad].advertiser, world_.ads[ad]);
  }

  std::size_t choose_channel(bool back) {
    std::array<double, kMaxChannels> weights = {};
    for (std::size_t c = 0; c < p_.channels.size(); ++c) weights[c] = back ? p_.channels[c].back : p_.channels[c].fresh;
    return draws_.choose(std::span(weights).first(p_.channels.size()));
  }

  double mood(std::int64_t time) const {
    const std::int64_t hour = time / 3600 % 24;
    const bool weekend = (time - kSimulationStart) / 86400 % 7 >= 5;
    const auto& factors = p_.conversions;
    return (hour >= 19 && hour < 23 ? factors.evening
            : hour < 7              ? factors.night
                                    : 1.0) *
           (weekend ? factors.weekend : 1.0);
  }

  // Relations that can neither convert nor draw the user back any more.
  void forget(std::int64_t time) {
    std::erase_if(relations_,
                  [&](const Relation& r) { return r.conversion == kNever && return_weight(r, time) < 1e-4; });
  }

  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
  static constexpr std::uint32_t kNoAd = std::numeric_limits<std::uint32_t>::max();
  static constexpr std::size_t kMaxCandidates = 16;
  static constexpr int kAttempts = 64;

  const World& world_;
  const WorldParameters& p_ = world_.parameters;
  std::uint32_t user_id_;
  User settled_;  // as on the first day
  User user_;     // as today
  int days_, day_ = 0;
  std::int64_t end_;
  Draws draws_;
  std::vector<SimulatedClick>& clicks_;
  std::vector<SimulatedConversion>& conversions_;
  std::vector<Relation> relations_;
  std::int64_t last_click_ = 0;
};

}  // namespace

Profile simulate_user(const World& world, std::uint32_t user_id, std::vector<SimulatedClick>& clicks,
                      std::vector<SimulatedConversion>& conversions) {
  const Random behaviour(world.seed, "simulate: behaviour"), profiles(world.seed, "simulate: users");
  UserPath path(world, user_id, behaviour, profiles, clicks, conversions);
  path.run();
  return path.profile();
}

}  // namespace mal

#include "train/simulate/user_path.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <span>

#include "train/simulate/choices.h"
#include "train/simulate/intent.h"

namespace mal {

namespace {

constexpr double kDay = 86400;

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

  void run(UserState* state) {
    for (int day = 0; day < days_; ++day)
      if (settled_.stay.on(day)) run_day(day);
    if (state != nullptr) *state = this->state();
    for (Relation& relation : relations_) settle(relation, end_);
    const int organic = draws_.poisson(p_.conversions.organic * days_);
    for (int i = 0; i < organic; ++i) buy_unprompted();
  }

 private:
  void run_day(int day) {
    day_ = day;
    if (p_.drifts()) user_ = user_on(world_, settled_, day);
    std::vector<std::int64_t> starts;
    const int sessions = draws_.poisson(sessions_of(p_, user_, day));
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
    std::uint32_t ad = chosen == 0 ? kNoAd : returned(relations_[chosen - 1]);
    if (ad == kNoAd) ad = fresh_ad();
    if (ad != kNoAd) expose(ad, time);
    forget(time);
  }

  double return_weight(const Relation& relation, std::int64_t time) const {
    return mal::return_weight(world_, relation.advertiser, relation.pull,
                              static_cast<double>(time - relation.last_time));
  }

  // kNoAd: none of the industry is there today.
  std::uint32_t fresh_ad() {
    const std::size_t industry = interesting_industry(world_, user_, draws_);
    const auto candidates = static_cast<std::size_t>(p_.clicks.candidates);
    std::array<std::uint32_t, kMaxCandidates> ads = {};
    std::array<double, kMaxCandidates> suits = {};
    for (std::size_t c = 0; c < candidates; ++c) {
      ads[c] = popular_ad(world_, industry, day_, draws_);
      if (ads[c] == kNoAd) return kNoAd;
      suits[c] = match_score(world_, user_, user_id_, world_.ads[ads[c]]);
    }
    exponentiate(std::span(suits).first(candidates));
    return ads[draws_.choose(std::span(suits).first(candidates))];
  }

  std::uint32_t returned(const Relation& relation) {
    return returned_ad(world_, relation.advertiser, relation.last_ad, day_, draws_);
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
    const std::size_t channel = choose_channel(p_, back, draws_);
    const double match = match_of(world_, user_, user_id_, ad);
    const double weight = click_weight(world_, ad, channel, match, day_, time);
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

  // At the end of the days. A conversion that is drawn for later is left out: whether and when it comes is open again,
  // which the hazard, having no memory, allows.
  UserState state() const {
    UserState state{settled_, {}, last_click_};
    const std::int64_t now = kSimulationStart + std::int64_t{days_} * 86400;
    for (const Relation& relation : relations_) {
      const bool bought = relation.conversion < now;
      state.acquaintances.push_back({relation.advertiser, relation.last_ad, bought ? 0 : relation.intent,
                                     bought ? relation.pull * p_.clicks.after_purchase : relation.pull,
                                     relation.last_time});
    }
    return state;
  }

  // Relations that can neither convert nor draw the user back any more.
  void forget(std::int64_t time) {
    std::erase_if(relations_,
                  [&](const Relation& r) { return r.conversion == kNever && return_weight(r, time) < kForgotten; });
  }

  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
  static constexpr std::size_t kMaxCandidates = 16;

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
                      std::vector<SimulatedConversion>& conversions, UserState* state) {
  const Random behaviour(world.seed, "simulate: behaviour"), profiles(world.seed, "simulate: users");
  UserPath path(world, user_id, behaviour, profiles, clicks, conversions);
  path.run(state);
  return path.profile();
}

}  // namespace mal

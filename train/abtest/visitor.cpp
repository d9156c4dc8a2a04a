#include "train/abtest/visitor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "train/abtest/cumulative_hazard.h"
#include "train/simulate/choices.h"
#include "train/simulate/intent.h"

namespace mal {

namespace {

// Draws of a place that are about what the user does with it.
constexpr std::uint64_t kClick = 0, kPause = 1, kGoOn = 2;

}  // namespace

TestDraws::TestDraws(std::uint64_t seed, int first_day, int days_of_test)
    : conversions(seed, "abtest: conversions"), values(seed, "abtest: values") {
  for (int day = first_day; day < first_day + days_of_test; ++day)
    days.push_back({Random(seed, fmt::format("abtest: sessions of day {}", day)),
                    Random(seed, fmt::format("abtest: places of day {}", day)),
                    Random(seed, fmt::format("abtest: clicks of day {}", day)),
                    Random(seed, fmt::format("abtest: noise of day {}", day))});
}

void add_sessions(const World& world, const TestPeriod& period, const TestDraws& draws, const UserState& state,
                  std::uint32_t user, int test_day, std::vector<Session>& sessions) {
  const int day = period.first_day + test_day;
  if (!state.user.stay.on(day)) return;
  const WorldParameters& p = world.parameters;
  Draws drawn(draws.days[static_cast<std::size_t>(test_day)].sessions, user);
  const int count = std::min(drawn.poisson(sessions_of(p, state.user, day)), static_cast<int>(kMaxSessions));
  const std::size_t first = sessions.size();
  for (int s = 0; s < count; ++s) {
    const double hour = static_cast<double>(drawn.choose(p.hours)) + drawn.uniform();
    sessions.push_back(
        {user, 0, kSimulationStart + std::int64_t{day} * 86400 + static_cast<std::int64_t>(hour * 3600)});
  }
  std::sort(sessions.begin() + static_cast<std::ptrdiff_t>(first), sessions.end(),
            [](const Session& a, const Session& b) { return a.start < b.start; });
  for (std::size_t s = first; s < sessions.size(); ++s) sessions[s].number = static_cast<std::uint32_t>(s - first);
}

Visitor::Visitor(const World& world, const TestPeriod& period, const TestDraws& draws, std::uint32_t user_id,
                 const Profile& profile, const UserState& state, std::vector<std::uint32_t> seen)
    : world_(world),
      period_(period),
      draws_(draws),
      user_id_(user_id),
      profile_(profile),
      settled_(state.user),
      seen_(std::move(seen)),
      last_time_(state.last_click),
      value_factor_(
          std::exp(world.parameters.conversions.value_spread * world.parameters.conversions.value_spread / 2)),
      by_industry_(world.parameters.industries.size()) {
  for (const Acquaintance& known : state.acquaintances) {
    Bond bond{.advertiser = known.advertiser, .last_ad = known.last_ad, .pull = known.pull};
    // Time begins anew for the hazard: it has no memory.
    bond.intent = decayed(known.intent, static_cast<double>(period.start() - known.last_time), half_life(bond));
    bond.last_time = period.start();
    bond.last_click = known.last_time;
    // Without any click in the test it would convert with this probability.
    const double left =
        decayed(bond.intent, static_cast<double>(period.watched_until() - period.start()), half_life(bond));
    const double orders = -std::expm1(-propensity(bond) * (ein(bond.intent) - ein(left)));
    outcome_.caused_orders -= orders;
    outcome_.caused_gmv -= orders * static_cast<double>(world.ads[bond.last_ad].price) * value_factor_;
    draw_conversion(bond);
    bonds_.push_back(bond);
  }
}

void Visitor::visit(const Session& session, const Seller& seller,
                    const std::function<void(std::uint32_t, double)>& paid) {
  const WorldParameters& p = world_.parameters;
  const int day = static_cast<int>((session.start - kSimulationStart) / 86400);
  const TestDraws::Day& draws = draws_.days[static_cast<std::size_t>(day - period_.first_day)];
  const User user = p.drifts() ? user_on(world_, settled_, day) : settled_;
  Place place;
  place.showing.user = user_id_;
  place.showing.profile = profile_;
  std::int64_t time = std::max(session.start, last_time_ + 1);
  for (std::uint64_t number = 0; number < kMaxPlaces && time < period_.end(); ++number) {
    last_time_ = time;
    for (Bond& bond : bonds_) settle(bond, time);
    const std::uint64_t first = first_draw(user_id_, session.number, number);
    place.showing.time = time;
    place.showing.seen = seen_;
    place.noise = {&draws.noise, first};
    find_candidates(world_, user, day, bonds_, draws.places, first, place);
    if (!place.candidates.empty()) show(place, session, number, seller, paid);
    // As long as a session of the log: its clicks are 5 seconds and an exponential 90 apart.
    const double pause = 93 * p.clicks.per_session / p.auction.slots;
    time += 2 + static_cast<std::int64_t>(pause * Draws::from(draws.clicks, first + kPause).exponential());
    if (draws.clicks.uniform(first + kGoOn) >= 1 - 1 / p.auction.slots) break;
  }
}

void Visitor::show(Place& place, const Session& session, std::uint64_t number, const Seller& seller,
                   const std::function<void(std::uint32_t, double)>& paid) {
  const std::optional<Shown> shown = seller(place);
  if (!shown) return;
  outcome_.impressions += 1;
  const Candidate& candidate = place.candidates[shown->candidate];
  const auto day = static_cast<std::size_t>((session.start - period_.start()) / 86400);
  if (draws_.days[day].clicks.uniform(first_draw(user_id_, session.number, number) + kClick) >=
      candidate.click_probability)
    return;
  const Ad& ad = world_.ads[candidate.ad];
  outcome_.clicks += 1;
  outcome_.spend += shown->price;
  outcome_.predicted += shown->predicted;
  by_industry_[ad.industry].spend += static_cast<float>(shown->price);
  paid(ad.advertiser, shown->price);
  click(place, candidate);
}

void Visitor::click(const Place& place, const Candidate& candidate) {
  const Ad& ad = world_.ads[candidate.ad];
  const std::int64_t time = place.showing.time;
  auto bond = std::ranges::find(bonds_, ad.advertiser, &Bond::advertiser);
  if (bond == bonds_.end()) {
    bonds_.push_back({.advertiser = ad.advertiser, .last_ad = candidate.ad, .last_time = time});
    bond = bonds_.end() - 1;
    bond->pull = std::min(2.0, candidate.match);
  }
  const double now = decayed(bond->intent, static_cast<double>(time - bond->last_time), half_life(*bond));
  const double hazard = propensity(*bond) * (ein(bond->intent) - ein(now));
  bond->used += hazard;
  count_hazard(*bond, hazard);
  bond->intent = now + candidate.weight;
  bond->last_time = bond->last_click = time;
  bond->last_ad = candidate.ad;
  bond->clicked = true;
  draw_conversion(*bond);
  if (seen_.size() >= static_cast<std::size_t>(world_.parameters.scores.history)) seen_.erase(seen_.begin());
  seen_.push_back(candidate.ad);
}

// Where the integrated hazard reaches the threshold, if no other click comes.
void Visitor::draw_conversion(Bond& bond) {
  bond.conversion = Bond::kNever;
  if (!(bond.intent > 0)) return;
  // Not below 0: it may be reached already, within the second that conversions are rounded up by.
  const double left = std::max(0.0, threshold(bond) - bond.used);
  const double then = intent_after(bond.intent, left / propensity(bond));
  if (!(then > 0)) return;
  const double wait = half_life(bond) * std::log2(bond.intent / then);
  // Rounded up: a conversion comes after the click that caused it.
  if (wait < static_cast<double>(period_.watched_until() - bond.last_time))
    bond.conversion = bond.last_time + 1 + static_cast<std::int64_t>(wait);
}

// If the conversion comes before `now`, it happens.
void Visitor::settle(Bond& bond, std::int64_t now) {
  if (bond.conversion >= now) return;
  count_hazard(bond, threshold(bond) - bond.used);
  if (bond.clicked) {
    const Ad& ad = world_.ads[bond.last_ad];
    const double value = static_cast<double>(ad.price) *
                         std::exp(world_.parameters.conversions.value_spread * draws_.values.normal(key(bond)));
    outcome_.orders += 1;
    outcome_.gmv += value;
    by_industry_[ad.industry].orders += 1;
    by_industry_[ad.industry].gmv += static_cast<float>(value);
  }
  bond.intent = 0;
  bond.used = 0;
  bond.pull *= world_.parameters.clicks.after_purchase;
  bond.clicked = false;
  bond.conversion = Bond::kNever;
  ++bond.conversions;
}

void Visitor::finish() {
  for (Bond& bond : bonds_) {
    settle(bond, period_.watched_until());
    const double seconds = static_cast<double>(period_.watched_until() - bond.last_time);
    count_hazard(bond, propensity(bond) * (ein(bond.intent) - ein(decayed(bond.intent, seconds, half_life(bond)))));
  }
}

void Visitor::count_hazard(const Bond& bond, double hazard) {
  const double value = hazard * static_cast<double>(world_.ads[bond.last_ad].price) * value_factor_;
  outcome_.caused_orders += hazard;
  outcome_.caused_gmv += value;
  if (!bond.clicked) return;
  outcome_.expected_orders += hazard;
  outcome_.expected_gmv += value;
}

double Visitor::propensity(const Bond& bond) const {
  const Industry& industry = world_.parameters.industries[world_.advertisers[bond.advertiser].industry];
  return industry.conversion * static_cast<double>(settled_.propensity);
}

double Visitor::half_life(const Bond& bond) const {
  return world_.parameters.industries[world_.advertisers[bond.advertiser].industry].half_life_days * 86400;
}

// 26 bits of user, 24 of advertiser, 14 of the number of the conversion.
std::uint64_t Visitor::key(const Bond& bond) const {
  return std::uint64_t{user_id_} << 38 | std::uint64_t{bond.advertiser} << 14 | (bond.conversions & 0x3fffU);
}

double Visitor::threshold(const Bond& bond) const {
  return -std::log1p(-draws_.conversions.uniform(key(bond)));
}

}  // namespace mal

// A place for an ad: where and when a user looks, and which ads compete for it. The world alone decides that, with
// draws of their own for every (user, session, place), so that two arms differ only where their users have clicked
// otherwise.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "train/abtest/platform_features.h"
#include "train/simulate/world.h"

namespace mal {

struct Candidate {
  std::uint32_t ad;
  double match = 0;
  double click_probability = 0;  // 1 − exp(−click_rate · match), the same for all arms
  double weight = 0;             // what a click would add to the intent
  double intent = 0;             // of the user towards the advertiser, now
  double propensity = 0;         // c of cumulative_hazard.h
};

struct Place {
  Showing showing;
  std::size_t industry;
  std::vector<Candidate> candidates;  // one an advertiser, all of the industry
  ScoreNoise noise;                   // of the first candidate; each has kNoisePerCandidate numbers
};

// Numbers of random draws. A user's day has up to 1024 sessions of up to 1024 places with 4096 draws each.
inline constexpr std::uint64_t kMaxSessions = 1024, kMaxPlaces = 1024, kDrawsOfPlace = 4096, kNoisePerCandidate = 256;
constexpr std::uint64_t first_draw(std::uint32_t user, std::uint64_t session, std::uint64_t place) {
  return (std::uint64_t{user} << 32) + (session * kMaxPlaces + place) * kDrawsOfPlace;
}

// What a user has with an advertiser.
struct Bond {
  std::uint32_t advertiser, last_ad;
  double intent = 0;  // at last_time
  double pull = 1;
  std::int64_t last_time = 0, last_click = 0;
  double used = 0;                   // of the threshold of the next conversion
  std::int64_t conversion = kNever;  // if no other click comes before
  std::uint32_t conversions = 0;     // so far
  bool clicked = false;              // in the test, since the last conversion

  static constexpr std::int64_t kNever = INT64_MAX;
};

// Settled bonds and the time, to the place and its candidates. user: as on that day.
//   kind: fresh with weight 1, or a return to a bond by return_weight(), as in the log. A fresh place is of an industry
//   by interest; its candidates are ads by popularity. A return is of that advertiser's industry; its candidates are an
//   ad of the advertiser and others by popularity, or of other advertisers clicked before where the channel has no
//   fresh clicks (retargeting).
// place.showing.user, profile, time and seen are given. Empty candidates: nothing to show.
void find_candidates(const World& world, const User& user, int day, std::span<const Bond> bonds, const Random& random,
                     std::uint64_t first, Place& place);

}  // namespace mal

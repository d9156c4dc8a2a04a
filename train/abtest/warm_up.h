// The days before a test: the click log of `mal_data simulate` with the same seed, world, users and days, and where it
// leaves every user.
#pragma once

#include <cstdint>
#include <vector>

#include "train/abtest/platform_features.h"
#include "train/simulate/user_path.h"

namespace mal {

// A click of the log's last days, with what its row says.
struct PastClick {
  SimulatedClick click;
  std::uint64_t index;              // of the click, user by user: where its noise begins
  bool converted;                   // it is the last click before a conversion of this user and advertiser
  double intent, weight;            // of the user towards the advertiser just before it, and what it added: the truth
  std::size_t first_seen, history;  // ads clicked before: `history` of them, from WarmUp::past_seen[first_seen] on
};

struct WarmUp {
  World world;
  int days = 0;
  std::vector<UserState> states;
  std::vector<Profile> profiles;
  std::vector<std::vector<std::uint32_t>> seen;  // the last clicks of each user, the oldest first
  std::uint64_t clicks = 0, conversions = 0;
  std::vector<double> clicks_a_day;  // one an advertiser
  std::vector<double> rates;         // converted clicks a click, one an industry; of all clicks where it has none
  // Clicks of the last kCalibrationDays days, of as many users as make at most kPastClicks of them.
  std::vector<PastClick> past;
  std::vector<std::uint32_t> past_seen;
};

inline constexpr int kCalibrationDays = 7;
inline constexpr std::size_t kPastClicks = 100'000;

// The same for every number of threads.
WarmUp warm_up(std::uint64_t seed, const WorldParameters& parameters, std::uint32_t users, int days, int threads,
               bool progress);

}  // namespace mal

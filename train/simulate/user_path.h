// What one user does over the days: sessions, clicks, conversions. Depends on the world, the seed and the user alone.
#pragma once

#include <cstdint>
#include <vector>

#include "train/simulate/world.h"

namespace mal {

inline constexpr std::int64_t kSimulationStart = 1704067200;  // Monday 2024-01-01 00:00:00 UTC
inline constexpr int kMaturityDays = 30;  // conversions are watched so long after the last click day

struct SimulatedClick {
  std::int64_t time;
  std::uint32_t user, ad;
  std::uint32_t channel;
  float oracle;  // true causal credit
};

struct SimulatedConversion {
  std::int64_t time;
  std::uint32_t user, advertiser;
  float value;
};

// What the data say of a user.
struct Profile {
  std::uint8_t age, gender, city, spending;
};

// What a user has with an advertiser whose ads were clicked.
struct Acquaintance {
  std::uint32_t advertiser, last_ad;
  double intent;  // at last_time
  double pull;    // scales the return weight
  std::int64_t last_time;
};

// Where the days leave a user: what an online test goes on from.
struct UserState {
  User user;  // as on the first day
  std::vector<Acquaintance> acquaintances;
  std::int64_t last_click = 0;
};

// Appends the user's clicks in strictly rising time, and the conversions in no particular order.
Profile simulate_user(const World& world, std::uint32_t user_id, std::vector<SimulatedClick>& clicks,
                      std::vector<SimulatedConversion>& conversions, UserState* state = nullptr);

}  // namespace mal

// What a user of the simulated platform chooses, and what a click is worth: the rules that the click log and the
// auctions of the online test share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "train/simulate/draws.h"
#include "train/simulate/world.h"

namespace mal {

inline constexpr std::uint32_t kNoAd = std::numeric_limits<std::uint32_t>::max();

// Logarithms to weights of choose(). Shifted where the largest is out of exp's reach, as years of drift may leave it.
void exponentiate(std::span<double> logs);

// How often the user has sessions that day, the mean.
double sessions_of(const WorldParameters& parameters, const User& user, int day);

// An industry, by the user's interest.
std::size_t interesting_industry(const World& world, const User& user, Draws& draws);
// An ad of the industry that is there that day, by popularity; kNoAd: there is none.
std::uint32_t popular_ad(const World& world, std::size_t industry, int day, Draws& draws);
// An ad of the advertiser for a user who clicked last_ad before; kNoAd: the advertiser has none that day.
std::uint32_t returned_ad(const World& world, std::uint32_t advertiser, std::uint32_t last_ad, int day, Draws& draws);
// By the channels' weights of returns, or of fresh clicks.
std::size_t choose_channel(const WorldParameters& parameters, bool back, Draws& draws);

// Against 1 for something new: how much an advertiser draws back a user who clicked there so many seconds ago.
double return_weight(const World& world, std::uint32_t advertiser, double pull, double seconds);
// Of a relation that can neither convert nor draw back any more.
inline constexpr double kForgotten = 1e-4;

// exp(score − mean): how well the ad suits the user.
double match_of(const World& world, const User& user, std::uint32_t user_id, const Ad& ad);
// What a click adds to the intent: effect · match · quality · mood. day: of the session, which may go on after
// midnight.
double click_weight(const World& world, const Ad& ad, std::size_t channel, double match, int day, std::int64_t time);

}  // namespace mal

// The simulated platform at rest: industries, channels, advertisers, ads and users. docs/simulated-platform.md has the
// model in words and formulas.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <vector>

#include "train/simulate/draws.h"
#include "train/simulate/world_parameters.h"

namespace mal {

inline constexpr int kModalSize = 12;  // of the image and the text vector
inline constexpr int kCategoriesPerIndustry = 8;
inline constexpr int kPriceBuckets = 10;

using ModalVector = std::array<float, kModalSize>;  // of length 1

struct Advertiser {
  std::uint32_t industry, first_ad, ads, first_campaign, campaigns, brand;
};

// The days on which something is there: first ≤ day < last.
struct Stay {
  double first = 0, last = std::numeric_limits<double>::infinity();

  bool on(int day) const { return first <= day && day < last; }
};

struct Ad {
  std::uint32_t advertiser, campaign, industry, category, brand, price_bucket;
  float price;          // money
  float price_rank;     // −1 cheapest … 1 dearest of its industry
  float quality;        // factor around 1 on the first day; not in the data
  float quality_drift;  // added to its logarithm a day
  Stay stay;
  ModalVector image, text;
};

struct User {
  std::uint32_t age, gender, city, spending;  // profile, in the data
  float activity;                             // sessions a day
  float price_sensitivity;
  float propensity;  // factor on the hazard; not in the data
  std::array<float, kMaxIndustries> interest;
  ModalVector image, text;            // taste on the first day
  ModalVector image_turn, text_turn;  // at right angles to it: where drift turns it to
  Stay stay;
};

struct World {
  std::vector<Advertiser> advertisers;
  std::vector<Ad> ads;
  std::uint32_t brands = 0, campaigns = 0;
  std::array<std::vector<std::uint32_t>, kMaxIndustries> industry_ads;
  std::array<std::vector<double>, kMaxIndustries> popularity;  // cumulative, along industry_ads
  WorldParameters parameters;
  std::uint64_t seed = 0;
  int days = 0;                                         // that the arrivals are spread over
  std::array<double, kMaxChannels> effects{};           // on the first day, as channel_strength leaves them
  std::array<double, kMaxChannels> effect_drift{};      // added to the logarithm a day
  std::array<double, kMaxIndustries> interest_drift{};  // added to every user's interest a day

  // Of a channel, and of an ad, on that day.
  double effect(std::size_t channel, int day) const;
  double quality(const Ad& ad, int day) const;
};

// channel_strength s: an effect e becomes m + s · (e − m), m the mean effect of fresh clicks.
World make_world(std::uint64_t seed, const WorldParameters& parameters, int days);
User make_user(const World& world, const Random& random, std::uint32_t user);
// The user's interests and tastes of that day.
User user_on(const World& world, const User& user, int day);

// The logarithm of how well an ad suits a user; 0 on average over random pairs.
double match_score(const World& world, const User& user, std::uint32_t user_id, const Ad& ad);

// e^x, held within e^±150: the product of a few is finite, and 0 times it is 0, whatever drift and weights a world has.
double bounded_exp(double x);

double cosine(const ModalVector& a, const ModalVector& b);

}  // namespace mal

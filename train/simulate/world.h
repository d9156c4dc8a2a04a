// The simulated platform at rest: industries, channels, advertisers, ads and users. docs/simulated-platform.md has the
// model in words and formulas.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "train/simulate/draws.h"

namespace mal {

inline constexpr int kModalSize = 12;  // of the image and the text vector
inline constexpr int kIndustries = 12;
inline constexpr int kCategoriesPerIndustry = 8;
inline constexpr int kPriceBuckets = 10;
inline constexpr int kChannels = 6;

using ModalVector = std::array<float, kModalSize>;  // of length 1

struct Industry {
  std::string_view name;
  double half_life_days;  // of the intent that a click leaves
  double revisit;         // how much a live intent draws the user back to the same advertiser
  double conversion;      // expected conversions of a click of match · quality · effect = 1, for small intents
  double share;           // of ads and of attention
  double price;           // log of the typical price
};

struct Channel {
  std::string_view name;
  double effect;  // causal: what a click here adds to the intent
  double fresh;   // how often a click on an advertiser without live intent happens here
  double back;    // the same for a return
};

std::span<const Industry, kIndustries> industries();
std::span<const Channel, kChannels> channels();

struct Advertiser {
  std::uint32_t industry, first_ad, ads, first_campaign, campaigns, brand;
};

struct Ad {
  std::uint32_t advertiser, campaign, industry, category, brand, price_bucket;
  float price;       // money
  float price_rank;  // −1 cheapest … 1 dearest of its industry
  float quality;     // factor around 1; not in the data
  ModalVector image, text;
};

struct User {
  std::uint32_t age, gender, city, spending;  // profile, in the data
  float activity;                             // sessions a day
  float price_sensitivity;
  float propensity;  // factor on the hazard; not in the data
  std::array<float, kIndustries> interest;
  ModalVector image, text;  // taste
};

struct World {
  std::vector<Advertiser> advertisers;
  std::vector<Ad> ads;
  std::uint32_t brands = 0, campaigns = 0;
  std::array<std::vector<std::uint32_t>, kIndustries> industry_ads;
  std::array<std::vector<double>, kIndustries> popularity;  // cumulative, along industry_ads
  std::uint64_t seed = 0;
  std::array<double, kChannels> effects{};  // of the channels, as --channel-strength leaves them
};

// channel_strength s: an effect e becomes m + s · (e − m), m the mean effect of fresh clicks.
World make_world(std::uint64_t seed, double channel_strength = 1);
User make_user(const World& world, const Random& random, std::uint32_t user);

// The logarithm of how well an ad suits a user; 0 on average over random pairs.
double match_score(const World& world, const User& user, std::uint32_t user_id, const Ad& ad);

double cosine(const ModalVector& a, const ModalVector& b);

}  // namespace mal

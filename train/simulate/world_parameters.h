// Every number of the simulated platform that may be chosen: docs/simulated-platform.md says what each does.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mal {

inline constexpr std::size_t kMaxIndustries = 16, kMaxChannels = 16;
inline constexpr double kMaxAds = 20e6;  // about 3 GB of memory

struct Industry {
  std::string name;
  double half_life_days;  // of the intent that a click leaves
  double revisit;         // how much a live intent draws the user back to the same advertiser
  double conversion;      // expected conversions of a click of match · quality · effect = 1, for small intents
  double share;           // of ads and of attention
  double price;           // log of the typical price

  bool operator==(const Industry&) const = default;
};

struct Channel {
  std::string name;
  double effect;  // causal: what a click here adds to the intent
  double fresh;   // how often a click on an advertiser without live intent happens here
  double back;    // the same for a return

  bool operator==(const Channel&) const = default;
};

// Plain numbers; world_keys() has the name, the meaning and the range of each.
struct WorldParameters {
  std::vector<Industry> industries;
  std::vector<Channel> channels;
  std::vector<double> hours;  // 24 weights of the hour in which a session starts
  double channel_strength = 1;
  struct {
    double advertisers = 120, ads_min = 4, ads_max = 20, campaigns_max = 3, same_brand = 0.3;
    double advertiser_quality = 0.3, ad_quality = 0.3, advertiser_fame = 0.8;
    double category_style = 0.6, advertiser_style = 0.6, own_style = 0.6;
    double present = 1, lifetime_days = 0;
  } ads;
  struct {
    double sessions = 0.68, sessions_spread = 0.6, propensity_spread = 0.4, profile_interest = 0.6, own_interest = 0.8;
    double present = 1, lifetime_days = 0;
  } users;
  struct {
    double interest = 0.5, image = 1.6, text = 1.2, price = 0.5, brand = 0.4, mean = 1;
  } match;
  struct {
    double per_session = 2.5, candidates = 4, returns = 0.25, memory_days = 0.5, after_purchase = 0.1, same_ad = 0.5;
    double weekday = 0.92, weekend = 1.2;
  } clicks;
  struct {
    double organic = 0.0015, evening = 1.15, night = 0.85, weekend = 1.1, value_spread = 0.2;
  } conversions;
  struct {
    double history = 20, noise = 0.05;
  } scores;
  struct {
    double taste = 0, interest = 0, quality = 0, channels = 0;
  } drift;  // each in 30 days; 0: nothing changes
  struct {
    double slots = 12, candidates = 8, click_rate = 0.15, target = 0.1, target_spread = 0.3, reserve = 0.1;
    double budget = 1, budget_spread = 0.5, interval_minutes = 60;
  } auction;  // of the online test alone

  bool operator==(const WorldParameters&) const;
  // Whether one day differs from another in more than the calendar.
  bool changes() const {
    return drifts() || ads.present < 1 || ads.lifetime_days > 0 || users.present < 1 || users.lifetime_days > 0;
  }
  bool drifts() const { return drift.taste > 0 || drift.interest > 0 || drift.quality > 0 || drift.channels > 0; }
};

struct WorldKey {
  std::string_view section, key;  // section "": a key of the document itself
  double min, max;
  bool whole;
  std::string_view meaning;
  double& (*value)(WorldParameters&);
};

// All numbers but those of industries, channels and hours.
std::span<const WorldKey> world_keys();

// The world that the docs describe.
WorldParameters default_world();

struct WorldPreset {
  std::string_view name, meaning;
  void (*change)(WorldParameters&);
};
std::span<const WorldPreset> world_presets();  // "default" is the first

}  // namespace mal

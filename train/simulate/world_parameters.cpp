#include "train/simulate/world_parameters.h"

#include <array>

namespace mal {

namespace {

using P = WorldParameters;

constexpr std::array kKeys = {
    WorldKey{"", "channel_strength", 0, 1, false, "1: effects as listed; 0: every channel has their mean",
             [](P& p) -> double& { return p.channel_strength; }},

    WorldKey{"ads", "advertisers", 1, 100'000, true, "in an industry of share 1",
             [](P& p) -> double& { return p.ads.advertisers; }},
    WorldKey{"ads", "ads_min", 1, 10'000, true, "of an advertiser", [](P& p) -> double& { return p.ads.ads_min; }},
    WorldKey{"ads", "ads_max", 1, 10'000, true, "of an advertiser", [](P& p) -> double& { return p.ads.ads_max; }},
    WorldKey{"ads", "campaigns_max", 1, 1000, true, "of an advertiser, at least 1",
             [](P& p) -> double& { return p.ads.campaigns_max; }},
    WorldKey{"ads", "same_brand", 0, 1, false, "share of advertisers that sell the brand of the one before",
             [](P& p) -> double& { return p.ads.same_brand; }},
    WorldKey{"ads", "advertiser_quality", 0, 3, false, "spread (σ) of the logarithm of the hidden quality",
             [](P& p) -> double& { return p.ads.advertiser_quality; }},
    WorldKey{"ads", "ad_quality", 0, 3, false, "the same, of an ad among those of its advertiser",
             [](P& p) -> double& { return p.ads.ad_quality; }},
    WorldKey{"ads", "advertiser_fame", 0, 3, false, "spread of the logarithm of how often an advertiser is shown",
             [](P& p) -> double& { return p.ads.advertiser_fame; }},
    WorldKey{"ads", "category_style", 0, 10, false, "weight of the category in an ad's image and text",
             [](P& p) -> double& { return p.ads.category_style; }},
    WorldKey{"ads", "advertiser_style", 0, 10, false, "weight of the advertiser in them",
             [](P& p) -> double& { return p.ads.advertiser_style; }},
    WorldKey{"ads", "own_style", 0.001, 10, false, "weight of the ad itself",
             [](P& p) -> double& { return p.ads.own_style; }},
    WorldKey{"ads", "present", 0, 1, false, "share there on the first day; the others arrive evenly over the days",
             [](P& p) -> double& { return p.ads.present; }},
    WorldKey{"ads", "lifetime_days", 0, 100'000, false, "mean time (exponential) until an ad leaves; 0: it stays",
             [](P& p) -> double& { return p.ads.lifetime_days; }},

    WorldKey{"users", "sessions", 0.001, 100, false, "a day, the mean",
             [](P& p) -> double& { return p.users.sessions; }},
    WorldKey{"users", "sessions_spread", 0, 3, false, "spread of the logarithm of a user's sessions a day",
             [](P& p) -> double& { return p.users.sessions_spread; }},
    WorldKey{"users", "propensity_spread", 0, 3, false, "spread of the logarithm of the hidden propensity to buy",
             [](P& p) -> double& { return p.users.propensity_spread; }},
    WorldKey{"users", "profile_interest", 0, 10, false, "weight of the profile in the interest in an industry",
             [](P& p) -> double& { return p.users.profile_interest; }},
    WorldKey{"users", "own_interest", 0, 10, false, "weight of the user's own",
             [](P& p) -> double& { return p.users.own_interest; }},
    WorldKey{"users", "present", 0, 1, false, "share there on the first day; the others arrive evenly over the days",
             [](P& p) -> double& { return p.users.present; }},
    WorldKey{"users", "lifetime_days", 0, 100'000, false, "mean time (exponential) until a user leaves; 0: stays",
             [](P& p) -> double& { return p.users.lifetime_days; }},

    WorldKey{"match", "interest", 0, 10, false, "weights of the score: how well an ad suits a user",
             [](P& p) -> double& { return p.match.interest; }},
    WorldKey{"match", "image", 0, 10, false, "", [](P& p) -> double& { return p.match.image; }},
    WorldKey{"match", "text", 0, 10, false, "", [](P& p) -> double& { return p.match.text; }},
    WorldKey{"match", "price", 0, 10, false, "", [](P& p) -> double& { return p.match.price; }},
    WorldKey{"match", "brand", 0, 10, false, "", [](P& p) -> double& { return p.match.brand; }},
    WorldKey{"match", "mean", -20, 20, false, "match = exp(score − mean)",
             [](P& p) -> double& { return p.match.mean; }},

    WorldKey{"clicks", "per_session", 1, 1000, false, "the mean", [](P& p) -> double& { return p.clicks.per_session; }},
    WorldKey{"clicks", "candidates", 1, 16, true, "ads that compete for a fresh click",
             [](P& p) -> double& { return p.clicks.candidates; }},
    WorldKey{"clicks", "returns", 0, 100, false, "scales every industry's revisit",
             [](P& p) -> double& { return p.clicks.returns; }},
    WorldKey{"clicks", "memory_days", 0.001, 1000, false,
             "added to the half-life: one remembers longer than one intends",
             [](P& p) -> double& { return p.clicks.memory_days; }},
    WorldKey{"clicks", "after_purchase", 0, 1, false, "share of an advertiser's pull that a purchase leaves",
             [](P& p) -> double& { return p.clicks.after_purchase; }},
    WorldKey{"clicks", "same_ad", 0, 1, false, "share of returns to the very ad clicked before",
             [](P& p) -> double& { return p.clicks.same_ad; }},
    WorldKey{"clicks", "weekday", 0, 10, false, "factor on the sessions of a weekday",
             [](P& p) -> double& { return p.clicks.weekday; }},
    WorldKey{"clicks", "weekend", 0, 10, false, "of a Saturday or Sunday",
             [](P& p) -> double& { return p.clicks.weekend; }},

    WorldKey{"conversions", "organic", 0, 1, false, "a user and day, caused by no click",
             [](P& p) -> double& { return p.conversions.organic; }},
    WorldKey{"conversions", "evening", 0, 10, false, "factor on the effect of a click, 19 to 23 o'clock",
             [](P& p) -> double& { return p.conversions.evening; }},
    WorldKey{"conversions", "night", 0, 10, false, "the same, 0 to 7 o'clock",
             [](P& p) -> double& { return p.conversions.night; }},
    WorldKey{"conversions", "weekend", 0, 10, false, "the same, Saturday and Sunday",
             [](P& p) -> double& { return p.conversions.weekend; }},
    WorldKey{"conversions", "value_spread", 0, 3, false, "spread of the logarithm of value over price",
             [](P& p) -> double& { return p.conversions.value_spread; }},

    WorldKey{"scores", "history", 1, 100, true, "clicks in a sequence, the latest before this one",
             [](P& p) -> double& { return p.scores.history; }},
    WorldKey{"scores", "noise", 0, 2, false, "σ of what is added to the cosines in the data",
             [](P& p) -> double& { return p.scores.noise; }},

    WorldKey{"drift", "taste", 0, 6, false, "radians in 30 days by which every user's image and text taste turn",
             [](P& p) -> double& { return p.drift.taste; }},
    WorldKey{"drift", "interest", 0, 6, false, "spread of what 30 days add to everybody's interest in an industry",
             [](P& p) -> double& { return p.drift.interest; }},
    WorldKey{"drift", "quality", 0, 3, false, "spread of what 30 days add to the logarithm of an ad's quality",
             [](P& p) -> double& { return p.drift.quality; }},
    WorldKey{"drift", "channels", 0, 3, false, "spread of what 30 days add to the logarithm of a channel's effect",
             [](P& p) -> double& { return p.drift.channels; }},

    WorldKey{"auction", "slots", 1, 500, false, "of the online test: places for an ad in a session, the mean",
             [](P& p) -> double& { return p.auction.slots; }},
    WorldKey{"auction", "candidates", 1, 16, true, "ads that compete for a place",
             [](P& p) -> double& { return p.auction.candidates; }},
    WorldKey{"auction", "click_rate", 0.001, 10, false,
             "an ad is clicked with probability 1 − exp(−click_rate · match)",
             [](P& p) -> double& { return p.auction.click_rate; }},
    WorldKey{"auction", "target", 0.001, 1, false, "share of a sale that advertisers pay for it, the median",
             [](P& p) -> double& { return p.auction.target; }},
    WorldKey{"auction", "target_spread", 0, 3, false, "spread of the logarithm of an advertiser's share",
             [](P& p) -> double& { return p.auction.target_spread; }},
    WorldKey{"auction", "reserve", 0, 10, false, "least price of a click, as a share of the industry's typical worth",
             [](P& p) -> double& { return p.auction.reserve; }},
    WorldKey{"auction", "budget", 0.001, 1e6, false, "of a day, against the worth of the clicks that the log has a day",
             [](P& p) -> double& { return p.auction.budget; }},
    WorldKey{"auction", "budget_spread", 0, 3, false, "spread of the logarithm of an advertiser's budget",
             [](P& p) -> double& { return p.auction.budget_spread; }},
    WorldKey{"auction", "interval_minutes", 1, 1440, true, "between two updates of the pacing; it divides the day",
             [](P& p) -> double& { return p.auction.interval_minutes; }},
};

void scale(std::vector<Industry>& industries, double half_life, double revisit) {
  for (Industry& industry : industries) industry.half_life_days *= half_life, industry.revisit *= revisit;
}

// A preset changes what its name says and nothing else, in round numbers; none was looked at through a model.
constexpr std::array kPresets = {
    WorldPreset{"default", "the platform of docs/simulated-platform.md", [](P&) {}},
    WorldPreset{"long_paths", "intents live 2.5 times as long and draw back twice as often",
                [](P& p) { scale(p.industries, 2.5, 2); }},
    WorldPreset{"short_paths", "intents live 0.4 times as long and draw back a quarter as often",
                [](P& p) { scale(p.industries, 0.4, 0.25); }},
    WorldPreset{"even_channels", "all channels cause alike: the channel explains nothing",
                [](P& p) { p.channel_strength = 0; }},
    WorldPreset{"many_ads", "10 times the ads, most of them rare, of more unequal quality; looks say less",
                [](P& p) {
                  p.ads.advertisers *= 10;
                  p.ads.advertiser_fame = 1.6;
                  p.ads.advertiser_quality = 0.6;
                  p.ads.ad_quality = 0.6;
                  p.match.image = 0.8;
                  p.match.text = 0.6;
                }},
    WorldPreset{"cold", "half of the ads and users arrive later; ads stay 20 days in the mean, users 40",
                [](P& p) {
                  p.ads.present = p.users.present = 0.5;
                  p.ads.lifetime_days = 20;
                  p.users.lifetime_days = 40;
                }},
    WorldPreset{"drift", "tastes turn by 1 radian in 30 days; interests, qualities and channels move by σ = 0.5",
                [](P& p) {
                  p.drift.taste = 1;
                  p.drift.interest = p.drift.quality = p.drift.channels = 0.5;
                }},
};

}  // namespace

bool WorldParameters::operator==(const WorldParameters& other) const {
  WorldParameters a = *this, b = other;
  for (const WorldKey& key : kKeys)
    if (key.value(a) != key.value(b)) return false;
  return industries == other.industries && channels == other.channels && hours == other.hours;
}

std::span<const WorldKey> world_keys() {
  return kKeys;
}

std::span<const WorldPreset> world_presets() {
  return kPresets;
}

WorldParameters default_world() {
  WorldParameters p;
  p.industries = {
      // Long-path industries first, short-path ones last.
      {"large_appliances", 5.0, 0.09, 0.060, 0.7, 7.5},
      {"jewellery", 4.5, 0.09, 0.060, 0.6, 7.0},
      {"sports", 4.0, 0.09, 0.070, 1.0, 5.5},
      {"electronics", 2.5, 0.09, 0.070, 1.2, 6.5},
      {"home", 2.0, 0.09, 0.080, 1.1, 5.0},
      {"clothing", 1.5, 0.09, 0.080, 1.8, 4.8},
      {"beauty", 1.5, 0.09, 0.090, 1.3, 4.5},
      {"baby", 1.5, 0.09, 0.090, 0.8, 4.6},
      {"food", 1.0, 0.09, 0.100, 1.2, 3.5},
      {"toys", 0.6, 0.09, 0.100, 0.8, 4.0},
      {"pet", 0.5, 0.09, 0.110, 0.7, 4.0},
      {"flowers", 0.3, 0.12, 0.110, 0.4, 4.2},
  };
  p.channels = {
      {"search", 1.7, 0.24, 0.22}, {"recommend", 1.0, 0.20, 0.16}, {"live", 1.2, 0.06, 0.04},
      {"feed", 0.1, 0.27, 0.20},   {"banner", 0.03, 0.23, 0.14},   {"retarget", 0.1, 0.00, 0.24},
  };
  p.hours = {2, 1, 1, 1, 1, 1, 2, 3, 5, 6, 6, 6, 7, 6, 5, 5, 5, 5, 6, 8, 10, 11, 9, 5};
  return p;
}

}  // namespace mal

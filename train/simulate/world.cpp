#include "train/simulate/world.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace mal {

namespace {

constexpr double kDriftDays = 30;  // that the numbers of `drift` are for

ModalVector normalized(ModalVector v) {
  double sum = 0;
  for (const float x : v) sum += static_cast<double>(x) * static_cast<double>(x);
  const auto scale = static_cast<float>(1 / std::sqrt(sum));
  for (float& x : v) x *= scale;
  return v;
}

ModalVector random_vector(Draws& draws) {
  ModalVector v;
  for (float& x : v) x = static_cast<float>(draws.normal());
  return normalized(v);
}

// At right angles to `taste`.
ModalVector turn_of(const ModalVector& taste, Draws& draws) {
  ModalVector v = random_vector(draws);
  const auto along = static_cast<float>(cosine(v, taste));
  for (std::size_t i = 0; i < v.size(); ++i) v[i] -= along * taste[i];
  return normalized(v);
}

// e^(σ z) of mean 1.
double factor_of(double sigma, double z) {
  return std::exp(sigma * z - sigma * sigma / 2);
}

// An ad looks like its category, like its advertiser and like itself.
ModalVector mixed(const WorldParameters& p, const ModalVector& category, const ModalVector& advertiser,
                  const ModalVector& own) {
  const auto a = static_cast<float>(p.ads.category_style), b = static_cast<float>(p.ads.advertiser_style),
             c = static_cast<float>(p.ads.own_style);
  ModalVector v;
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = a * category[i] + b * advertiser[i] + c * own[i];
  return normalized(v);
}

// When it comes and goes: there from the start with probability `present`, or from any of the days on.
Stay stay_of(double present, double lifetime_days, int days, Draws& draws) {
  Stay stay;
  if (draws.uniform() >= present) stay.first = std::floor(draws.uniform() * days);
  if (lifetime_days > 0) stay.last = stay.first + lifetime_days * draws.exponential();
  return stay;
}

struct Styles {
  std::vector<ModalVector> image, text;  // one a category
};

Styles category_styles(std::uint64_t seed, std::size_t industries) {
  const Random random(seed, "simulate: categories");
  Styles styles;
  for (std::uint64_t category = 0; category < industries * kCategoriesPerIndustry; ++category) {
    Draws draws(random, category);
    styles.image.push_back(random_vector(draws));
    styles.text.push_back(random_vector(draws));
  }
  return styles;
}

Ad make_ad(const WorldParameters& p, const Advertiser& advertiser, std::uint32_t advertiser_id,
           const ModalVector& image, const ModalVector& text, const Styles& styles, double advertiser_quality,
           Draws& draws) {
  Ad ad = {};
  ad.advertiser = advertiser_id;
  ad.industry = advertiser.industry;
  ad.campaign = advertiser.first_campaign + static_cast<std::uint32_t>(draws.below(advertiser.campaigns));
  ad.category =
      static_cast<std::uint32_t>(advertiser.industry * kCategoriesPerIndustry + draws.below(kCategoriesPerIndustry));
  ad.brand = advertiser.brand;
  const double price_normal = draws.normal();
  ad.price = static_cast<float>(std::exp(p.industries[ad.industry].price + 0.5 * price_normal));
  ad.price_rank = static_cast<float>(std::erf(price_normal / std::sqrt(2.0)));
  ad.price_bucket = static_cast<std::uint32_t>(
      std::clamp((static_cast<double>(ad.price_rank) + 1) / 2 * kPriceBuckets, 0.0, kPriceBuckets - 1.0));
  ad.quality = static_cast<float>(advertiser_quality * factor_of(p.ads.ad_quality, draws.normal()));
  ad.image = mixed(p, styles.image[ad.category], image, random_vector(draws));
  ad.text = mixed(p, styles.text[ad.category], text, random_vector(draws));
  return ad;
}

void add_advertiser(World& world, std::uint32_t industry, const Styles& styles, const Random& random) {
  const WorldParameters& p = world.parameters;
  const auto id = static_cast<std::uint32_t>(world.advertisers.size());
  Draws draws(random, id);
  Advertiser advertiser = {};
  advertiser.industry = industry;
  advertiser.first_ad = static_cast<std::uint32_t>(world.ads.size());
  advertiser.ads =
      static_cast<std::uint32_t>(p.ads.ads_min) +
      static_cast<std::uint32_t>(draws.below(static_cast<std::uint64_t>(p.ads.ads_max - p.ads.ads_min) + 1));
  advertiser.first_campaign = world.campaigns;
  advertiser.campaigns = 1 + static_cast<std::uint32_t>(draws.below(static_cast<std::uint64_t>(p.ads.campaigns_max)));
  // A brand may have more than one shop.
  const bool same_brand = id > 0 && world.advertisers.back().industry == industry && draws.uniform() < p.ads.same_brand;
  advertiser.brand = same_brand ? world.advertisers.back().brand : world.brands++;
  world.campaigns += advertiser.campaigns;
  const double quality = factor_of(p.ads.advertiser_quality, draws.normal());
  const double fame = std::exp(p.ads.advertiser_fame * draws.normal());
  const ModalVector image = random_vector(draws), text = random_vector(draws);
  double popularity = world.popularity[industry].empty() ? 0 : world.popularity[industry].back();
  for (std::uint32_t rank = 0; rank < advertiser.ads; ++rank) {
    world.ads.push_back(make_ad(p, advertiser, id, image, text, styles, quality, draws));
    popularity += fame / (rank + 1.0);
    world.industry_ads[industry].push_back(advertiser.first_ad + rank);
    world.popularity[industry].push_back(popularity);
  }
  world.advertisers.push_back(advertiser);
}

// Draws of their own: a world without them is the same with or without this code.
void add_changes(World& world) {
  const WorldParameters& p = world.parameters;
  const Random stays(world.seed, "simulate: stays of ads"), drifts(world.seed, "simulate: drift of ads");
  for (std::size_t ad = 0; ad < world.ads.size(); ++ad) {
    Draws stay(stays, ad);
    world.ads[ad].stay = stay_of(p.ads.present, p.ads.lifetime_days, world.days, stay);
    world.ads[ad].quality_drift = static_cast<float>(p.drift.quality * drifts.normal(ad) / kDriftDays);
  }
  const Random channels(world.seed, "simulate: drift of channels");
  for (std::size_t c = 0; c < p.channels.size(); ++c)
    world.effect_drift[c] = p.drift.channels * channels.normal(c) / kDriftDays;
  const Random interests(world.seed, "simulate: drift of interests");
  for (std::size_t i = 0; i < p.industries.size(); ++i)
    world.interest_drift[i] = p.drift.interest * interests.normal(i) / kDriftDays;
}

}  // namespace

double World::effect(std::size_t channel, int day) const {
  return effect_drift[channel] == 0 ? effects[channel] : effects[channel] * bounded_exp(effect_drift[channel] * day);
}

double World::quality(const Ad& ad, int day) const {
  const auto quality = static_cast<double>(ad.quality);
  return ad.quality_drift == 0 ? quality : quality * bounded_exp(static_cast<double>(ad.quality_drift) * day);
}

World make_world(std::uint64_t seed, const WorldParameters& parameters, int days) {
  World world;
  world.seed = seed;
  world.parameters = parameters;
  world.days = days;
  const std::vector<Channel>& channels = parameters.channels;
  double mean = 0, fresh = 0;
  for (const Channel& channel : channels) mean += channel.fresh * channel.effect, fresh += channel.fresh;
  if (std::abs(fresh - 1) > 1e-9) mean /= fresh;
  for (std::size_t c = 0; c < channels.size(); ++c)
    world.effects[c] = parameters.channel_strength * channels[c].effect + (1 - parameters.channel_strength) * mean;
  const Styles styles = category_styles(seed, parameters.industries.size());
  const Random random(seed, "simulate: advertisers");
  for (std::uint32_t industry = 0; industry < parameters.industries.size(); ++industry) {
    const double share = parameters.industries[industry].share;
    // At least one, where anybody is interested at all.
    const int count = std::max(share > 0 ? 1 : 0, static_cast<int>(parameters.ads.advertisers * share));
    for (int i = 0; i < count; ++i) add_advertiser(world, industry, styles, random);
  }
  add_changes(world);
  return world;
}

User make_user(const World& world, const Random& random, std::uint32_t user_id) {
  const WorldParameters& p = world.parameters;
  Draws draws(random, user_id);
  User user = {};
  user.age = static_cast<std::uint32_t>(draws.below(8));
  user.gender = static_cast<std::uint32_t>(draws.below(2));
  user.city = static_cast<std::uint32_t>(draws.below(5));
  user.activity = static_cast<float>(p.users.sessions * factor_of(p.users.sessions_spread, draws.normal()));
  const double sensitivity = draws.normal();
  user.price_sensitivity = static_cast<float>(sensitivity);
  user.spending =
      static_cast<std::uint32_t>(std::clamp(std::floor(2.5 - 1.2 * sensitivity + 0.6 * draws.normal()), 0.0, 4.0));
  user.propensity = static_cast<float>(factor_of(p.users.propensity_spread, draws.normal()));
  // What a profile is interested in, and then what this user is.
  const Random profiles(world.seed, "simulate: profiles");
  for (std::uint32_t i = 0; i < p.industries.size(); ++i) {
    const double profile =
        profiles.normal((user.age * 2 + user.gender) * 16 + i) + 0.5 * profiles.normal(4096 + user.city * 16 + i);
    user.interest[i] = static_cast<float>(p.users.profile_interest * profile + p.users.own_interest * draws.normal());
  }
  user.image = random_vector(draws);
  user.text = random_vector(draws);
  if (p.drift.taste > 0) {
    const Random turns(world.seed, "simulate: drift of tastes");
    Draws turn(turns, user_id);
    user.image_turn = turn_of(user.image, turn);
    user.text_turn = turn_of(user.text, turn);
  }
  const Random stays(world.seed, "simulate: stays of users");
  Draws stay(stays, user_id);
  user.stay = stay_of(p.users.present, p.users.lifetime_days, world.days, stay);
  return user;
}

User user_on(const World& world, const User& user, int day) {
  User then = user;
  if (world.parameters.drift.taste > 0) {
    const double angle = world.parameters.drift.taste * day / kDriftDays;
    const auto stays = static_cast<float>(std::cos(angle)), turns = static_cast<float>(std::sin(angle));
    for (std::size_t i = 0; i < then.image.size(); ++i) {
      then.image[i] = stays * user.image[i] + turns * user.image_turn[i];
      then.text[i] = stays * user.text[i] + turns * user.text_turn[i];
    }
  }
  for (std::size_t i = 0; i < then.interest.size(); ++i)
    then.interest[i] += static_cast<float>(world.interest_drift[i] * day);
  return then;
}

double bounded_exp(double x) {
  return std::exp(std::clamp(x, -150.0, 150.0));
}

double cosine(const ModalVector& a, const ModalVector& b) {
  float dot = 0;
  for (std::size_t i = 0; i < a.size(); ++i) dot += a[i] * b[i];
  return static_cast<double>(dot);
}

double match_score(const World& world, const User& user, std::uint32_t user_id, const Ad& ad) {
  const Random affinity(world.seed, "simulate: brand affinity");
  const double brand = affinity.normal(std::uint64_t{user_id} << 32 | ad.brand);
  const double price = static_cast<double>(user.price_sensitivity) * static_cast<double>(ad.price_rank);
  const auto& weights = world.parameters.match;
  return weights.interest * static_cast<double>(user.interest[ad.industry]) +
         weights.image * cosine(user.image, ad.image) + weights.text * cosine(user.text, ad.text) -
         weights.price * price + weights.brand * brand;
}

}  // namespace mal

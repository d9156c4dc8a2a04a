#include "train/simulate/world.h"

#include <algorithm>
#include <cmath>

namespace mal {

namespace {

// Long-path industries first, short-path ones last.
constexpr std::array<Industry, kIndustries> kIndustryTable = {{
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
}};

constexpr std::array<Channel, kChannels> kChannelTable = {{
    {"search", 1.7, 0.24, 0.22},
    {"recommend", 1.0, 0.20, 0.16},
    {"live", 1.2, 0.06, 0.04},
    {"feed", 0.1, 0.27, 0.20},
    {"banner", 0.03, 0.23, 0.14},
    {"retarget", 0.1, 0.00, 0.24},
}};

constexpr double kAdvertisersAtShareOne = 120;
constexpr double kImageWeight = 1.6, kTextWeight = 1.2, kInterestWeight = 0.5, kPriceWeight = 0.5, kBrandWeight = 0.4;

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

// An ad looks like its category, like its advertiser and like itself.
ModalVector mixed(const ModalVector& category, const ModalVector& advertiser, const ModalVector& own) {
  ModalVector v;
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = 0.6F * category[i] + 0.6F * advertiser[i] + 0.6F * own[i];
  return normalized(v);
}

struct Styles {
  std::vector<ModalVector> image, text;  // one a category
};

Styles category_styles(std::uint64_t seed) {
  const Random random(seed, "simulate: categories");
  Styles styles;
  for (std::uint64_t category = 0; category < kIndustries * kCategoriesPerIndustry; ++category) {
    Draws draws(random, category);
    styles.image.push_back(random_vector(draws));
    styles.text.push_back(random_vector(draws));
  }
  return styles;
}

Ad make_ad(const Advertiser& advertiser, std::uint32_t advertiser_id, const ModalVector& image, const ModalVector& text,
           const Styles& styles, double advertiser_quality, Draws& draws) {
  Ad ad = {};
  ad.advertiser = advertiser_id;
  ad.industry = advertiser.industry;
  ad.campaign = advertiser.first_campaign + static_cast<std::uint32_t>(draws.below(advertiser.campaigns));
  ad.category =
      static_cast<std::uint32_t>(advertiser.industry * kCategoriesPerIndustry + draws.below(kCategoriesPerIndustry));
  ad.brand = advertiser.brand;
  const double price_normal = draws.normal();
  ad.price = static_cast<float>(std::exp(kIndustryTable[ad.industry].price + 0.5 * price_normal));
  ad.price_rank = static_cast<float>(std::erf(price_normal / std::sqrt(2.0)));
  ad.price_bucket = static_cast<std::uint32_t>(
      std::clamp((static_cast<double>(ad.price_rank) + 1) / 2 * kPriceBuckets, 0.0, kPriceBuckets - 1.0));
  ad.quality = static_cast<float>(advertiser_quality * std::exp(0.3 * draws.normal() - 0.045));
  ad.image = mixed(styles.image[ad.category], image, random_vector(draws));
  ad.text = mixed(styles.text[ad.category], text, random_vector(draws));
  return ad;
}

void add_advertiser(World& world, std::uint32_t industry, const Styles& styles, const Random& random) {
  const auto id = static_cast<std::uint32_t>(world.advertisers.size());
  Draws draws(random, id);
  Advertiser advertiser = {};
  advertiser.industry = industry;
  advertiser.first_ad = static_cast<std::uint32_t>(world.ads.size());
  advertiser.ads = 4 + static_cast<std::uint32_t>(draws.below(17));
  advertiser.first_campaign = world.campaigns;
  advertiser.campaigns = 1 + static_cast<std::uint32_t>(draws.below(3));
  // A brand may have more than one shop.
  const bool same_brand = id > 0 && world.advertisers.back().industry == industry && draws.uniform() < 0.3;
  advertiser.brand = same_brand ? world.advertisers.back().brand : world.brands++;
  world.campaigns += advertiser.campaigns;
  const double quality = std::exp(0.3 * draws.normal() - 0.045);
  const double fame = std::exp(0.8 * draws.normal());
  const ModalVector image = random_vector(draws), text = random_vector(draws);
  double popularity = world.popularity[industry].empty() ? 0 : world.popularity[industry].back();
  for (std::uint32_t rank = 0; rank < advertiser.ads; ++rank) {
    world.ads.push_back(make_ad(advertiser, id, image, text, styles, quality, draws));
    popularity += fame / (rank + 1.0);
    world.industry_ads[industry].push_back(advertiser.first_ad + rank);
    world.popularity[industry].push_back(popularity);
  }
  world.advertisers.push_back(advertiser);
}

}  // namespace

std::span<const Industry, kIndustries> industries() {
  return kIndustryTable;
}

std::span<const Channel, kChannels> channels() {
  return kChannelTable;
}

World make_world(std::uint64_t seed, double channel_strength) {
  World world;
  world.seed = seed;
  double mean = 0;  // the shares of fresh clicks add up to 1
  for (const Channel& channel : channels()) mean += channel.fresh * channel.effect;
  for (std::size_t c = 0; c < channels().size(); ++c)
    world.effects[c] = channel_strength * channels()[c].effect + (1 - channel_strength) * mean;
  const Styles styles = category_styles(seed);
  const Random random(seed, "simulate: advertisers");
  for (std::uint32_t industry = 0; industry < kIndustries; ++industry) {
    const auto count = static_cast<int>(kAdvertisersAtShareOne * kIndustryTable[industry].share);
    for (int i = 0; i < count; ++i) add_advertiser(world, industry, styles, random);
  }
  return world;
}

User make_user(const World& world, const Random& random, std::uint32_t user_id) {
  Draws draws(random, user_id);
  User user = {};
  user.age = static_cast<std::uint32_t>(draws.below(8));
  user.gender = static_cast<std::uint32_t>(draws.below(2));
  user.city = static_cast<std::uint32_t>(draws.below(5));
  user.activity = static_cast<float>(0.68 * std::exp(0.6 * draws.normal() - 0.18));
  const double sensitivity = draws.normal();
  user.price_sensitivity = static_cast<float>(sensitivity);
  user.spending =
      static_cast<std::uint32_t>(std::clamp(std::floor(2.5 - 1.2 * sensitivity + 0.6 * draws.normal()), 0.0, 4.0));
  user.propensity = static_cast<float>(std::exp(0.4 * draws.normal() - 0.08));
  // What a profile is interested in, and then what this user is.
  const Random profiles(world.seed, "simulate: profiles");
  for (std::uint32_t i = 0; i < kIndustries; ++i) {
    const double profile =
        profiles.normal((user.age * 2 + user.gender) * 16 + i) + 0.5 * profiles.normal(4096 + user.city * 16 + i);
    user.interest[i] = static_cast<float>(0.6 * profile + 0.8 * draws.normal());
  }
  user.image = random_vector(draws);
  user.text = random_vector(draws);
  return user;
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
  return kInterestWeight * static_cast<double>(user.interest[ad.industry]) +
         kImageWeight * cosine(user.image, ad.image) + kTextWeight * cosine(user.text, ad.text) - kPriceWeight * price +
         kBrandWeight * brand;
}

}  // namespace mal

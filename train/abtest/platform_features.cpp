#include "train/abtest/platform_features.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "engine/error.h"
#include "train/serving/require.h"
#include "train/simulate/platform_csv.h"

namespace mal {

namespace {}  // namespace

PlatformFeatures::PlatformFeatures(const World& world, const infer::Model& model, const std::string& name)
    : world_(world) {
  using enum What;
  static constexpr std::array<std::pair<std::string_view, What>, 20> kColumns = {{{"user", user},
                                                                                  {"age", age},
                                                                                  {"gender", gender},
                                                                                  {"city", city},
                                                                                  {"spending", spending},
                                                                                  {"channel", channel},
                                                                                  {"hour", hour},
                                                                                  {"weekday", weekday},
                                                                                  {"item_seq", item_seq},
                                                                                  {"category_seq", category_seq},
                                                                                  {"brand_seq", brand_seq},
                                                                                  {"ad_item", ad_item},
                                                                                  {"advertiser", advertiser},
                                                                                  {"campaign", campaign},
                                                                                  {"industry", industry},
                                                                                  {"category", category},
                                                                                  {"brand", brand},
                                                                                  {"price_bucket", price_bucket},
                                                                                  {"image_scores", image_scores},
                                                                                  {"text_scores", text_scores}}};
  for (const infer::ColumnInfo& column : model.columns()) {
    const auto known = std::ranges::find(kColumns, column.name, &std::pair<std::string_view, What>::first);
    if (known == kColumns.end())
      fail(
          "{}: the model reads the column '{}', which the simulated platform does not have; train it on the columns of "
          "train/configs/schemas/simulated.yaml",
          name, column.name);
    const What what = known->second;
    (what < ad_item ? user_parts_ : ad_parts_).push_back({what, model.column(column.name), column.length});
  }
}

void PlatformFeatures::set(const Part& part, std::int64_t id, infer::Features& features) const {
  require(features.try_set(part.column, id));
}

void PlatformFeatures::set_user(const Showing& showing, infer::Features& features) {
  features.clear();
  for (const Part& part : user_parts_) {
    switch (part.what) {
      case What::user:
        set(part, showing.user, features);
        break;
      case What::age:
        set(part, showing.profile.age, features);
        break;
      case What::gender:
        set(part, showing.profile.gender, features);
        break;
      case What::city:
        set(part, showing.profile.city, features);
        break;
      case What::spending:
        set(part, showing.profile.spending, features);
        break;
      case What::channel: {
        const std::string& name = world_.parameters.channels[showing.channel].name;
        require(features.try_set(part.column, std::string_view(name)));
        break;
      }
      case What::hour:
        set(part, showing.time / 3600 % 24, features);
        break;
      case What::weekday:
        set(part, (showing.time - kSimulationStart) / 86400 % 7, features);
        break;
      default:
        set_sequence(part, showing, features);
    }
  }
}

void PlatformFeatures::set_sequence(const Part& part, const Showing& showing, infer::Features& features) {
  ids_.clear();
  for (const std::uint32_t seen : showing.seen) {
    const Ad& ad = world_.ads[seen];
    ids_.push_back(part.what == What::item_seq ? seen : part.what == What::category_seq ? ad.category : ad.brand);
  }
  require(features.try_set(part.column, ids_.data(), ids_.size()));
}

void PlatformFeatures::set_ad(const Showing& showing, std::uint32_t ad_id, const ScoreNoise& noise,
                              infer::Features& features) {
  features.clear();
  const Ad& ad = world_.ads[ad_id];
  for (const Part& part : ad_parts_) {
    switch (part.what) {
      case What::ad_item:
        set(part, ad_id, features);
        break;
      case What::advertiser:
        set(part, ad.advertiser, features);
        break;
      case What::campaign:
        set(part, ad.campaign, features);
        break;
      case What::industry: {
        const std::string& name = world_.parameters.industries[ad.industry].name;
        require(features.try_set(part.column, std::string_view(name)));
        break;
      }
      case What::category:
        set(part, ad.category, features);
        break;
      case What::brand:
        set(part, ad.brand, features);
        break;
      case What::price_bucket:
        set(part, ad.price_bucket, features);
        break;
      default:
        set_scores(part, showing, ad, noise, features);
    }
  }
}

void PlatformFeatures::set_scores(const Part& part, const Showing& showing, const Ad& ad, const ScoreNoise& noise,
                                  infer::Features& features) {
  const bool image = part.what == What::image_scores;
  scores_.clear();
  // A model keeps the last `length` scores alone: the others need not be drawn.
  const std::size_t first = showing.seen.size() - std::min(showing.seen.size(), part.length);
  for (std::size_t i = first; i < showing.seen.size(); ++i) {
    const std::uint64_t draw = noise.first + noise_place(showing.seen.size(), i, image);
    const double normal = noise.random->normal(draw);
    scores_.push_back(
        static_cast<float>(noisy_likeness(world_, world_.ads[showing.seen[i]], ad, image, normal) / 100.0));
  }
  require(features.try_set(part.column, scores_.data(), scores_.size()));
}

}  // namespace mal

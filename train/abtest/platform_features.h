// What a model is told of an ad for a user, as the click log would have it: columns by their names in clicks.csv.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "model/inference/mal_infer.h"
#include "train/simulate/user_path.h"
#include "train/simulate/world.h"

namespace mal {

// An ad that a user may be shown: where and when, and the user's clicks before, the oldest first.
struct Showing {
  std::uint32_t user;
  Profile profile;
  std::int64_t time;
  std::size_t channel;
  std::span<const std::uint32_t> seen;
};

// Where the noise of the similarity scores comes from: number `first` of the stream and those after it.
struct ScoreNoise {
  const Random* random;
  std::uint64_t first;
};

// Fills the features of one model. Belongs to one thread.
class PlatformFeatures {
 public:
  // Throws Error where the model reads a column that the platform does not have. name: of the model, for the message.
  PlatformFeatures(const World& world, const infer::Model& model, const std::string& name);

  // Clears, then sets what all ads of one place have in common.
  void set_user(const Showing& showing, infer::Features& features);
  // And the rest.
  void set_ad(const Showing& showing, std::uint32_t ad, const ScoreNoise& noise, infer::Features& features);

 private:
  enum class What : std::uint8_t {
    user,
    age,
    gender,
    city,
    spending,
    channel,
    hour,
    weekday,
    item_seq,
    category_seq,
    brand_seq,  // of the user
    ad_item,
    advertiser,
    campaign,
    industry,
    category,
    brand,
    price_bucket,
    image_scores,
    text_scores,
  };
  struct Part {
    What what;
    infer::Column column;
    std::size_t length;  // of a list: what the model keeps
  };
  void set(const Part& part, std::int64_t id, infer::Features& features) const;
  void set_sequence(const Part& part, const Showing& showing, infer::Features& features);
  void set_scores(const Part& part, const Showing& showing, const Ad& ad, const ScoreNoise& noise,
                  infer::Features& features);

  const World& world_;
  std::vector<Part> user_parts_, ad_parts_;
  std::vector<std::int64_t> ids_;
  std::vector<float> scores_;
};

}  // namespace mal

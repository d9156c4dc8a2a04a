#include "train/abtest/arm.h"

#include <algorithm>
#include <filesystem>

#include "engine/error.h"
#include "train/abtest/cumulative_hazard.h"
#include "train/abtest/platform_features.h"
#include "train/serving/export_run.h"
#include "train/serving/require.h"

namespace mal {

namespace {

class ModelBidder : public Bidder {
 public:
  ModelBidder(const World& world, const infer::Model& model, const std::string& name)
      : features_(world, model, name),
        scorer_(model.scorer()),
        user_(model.features()),
        ads_(static_cast<std::size_t>(world.parameters.auction.candidates), model.features()),
        scores_(ads_.size()) {}

  void predict(const Place& place, std::span<double> probabilities) override {
    features_.set_user(place.showing, user_);
    require(scorer_.try_set_user(user_));
    const std::size_t n = place.candidates.size();
    for (std::size_t c = 0; c < n; ++c) {
      const ScoreNoise noise = {place.noise.random, place.noise.first + c * kNoisePerCandidate};
      features_.set_ad(place.showing, place.candidates[c].ad, noise, ads_[c]);
    }
    infer::Predictions out;
    out.probability = scores_.data();
    require(scorer_.try_predict(ads_.data(), n, out));
    for (std::size_t c = 0; c < n; ++c) {
      probabilities[c] = static_cast<double>(scores_[c]);
      counts.unknown_ads += ads_[c].counts().unseen > 0 ? 1 : 0;
    }
    counts.rows += n;
    counts.places += 1;
    counts.unknown_users += user_.counts().unseen > 0 ? 1 : 0;
  }

 private:
  PlatformFeatures features_;
  infer::Scorer scorer_;
  infer::Features user_;
  std::vector<infer::Features> ads_;
  std::vector<float> scores_;
};

class OracleBidder : public Bidder {
 public:
  void predict(const Place& place, std::span<double> probabilities) override {
    for (std::size_t c = 0; c < place.candidates.size(); ++c) {
      const Candidate& candidate = place.candidates[c];
      probabilities[c] = caused_conversions(candidate.intent, candidate.weight, candidate.propensity);
    }
  }
};

class AverageBidder : public Bidder {
 public:
  explicit AverageBidder(std::vector<double> rates) : rates_(std::move(rates)) {}
  void predict(const Place& place, std::span<double> probabilities) override {
    for (double& probability : probabilities) probability = rates_[place.industry];
  }

 private:
  std::vector<double> rates_;
};

infer::Model load(const std::string& path) {
  infer::Result<infer::Model> loaded = infer::Model::try_load(path);
  if (!loaded.ok()) fail("{}", loaded.status().message());
  return std::move(*loaded);
}

}  // namespace

ArmSpec parse_arm(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size())
    fail_usage(
        "--arm {}: NAME=SOURCE is expected, where SOURCE is a run's folder, a model file (*.mal), oracle or average",
        text);
  return {text.substr(0, equals), text.substr(equals + 1)};
}

void ArmSpec::check_exists() const {
  if (is_model() && !std::filesystem::exists(source))
    fail_usage("--arm {}={}: no such run or model file; oracle and average are possible too", name, source);
}

Arm::Arm(ArmSpec spec, const World& world, std::vector<double> rates, const std::string& model_file)
    : spec_(std::move(spec)), world_(world), rates_(std::move(rates)) {
  if (!spec_.is_model()) return;
  if (std::filesystem::is_directory(spec_.source)) {
    export_run({.run = spec_.source, .out = model_file, .dataset = {}, .check = false, .device = "cpu", .quiet = true});
    model_ = load(model_file);
    std::filesystem::remove(model_file);
  } else {
    model_ = load(spec_.source);
  }
  bidder();  // says now what is wrong with its columns
}

std::unique_ptr<Bidder> Arm::bidder() const {
  if (model_) return std::make_unique<ModelBidder>(world_, *model_, spec_.source);
  if (spec_.source == "oracle") return std::make_unique<OracleBidder>();
  return std::make_unique<AverageBidder>(rates_);
}

}  // namespace mal

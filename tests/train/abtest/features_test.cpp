// What an arm is told of a click is what the trainer reads of it in the log.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <tuple>

#include "engine/error.h"
#include "tests/support/temporary_folder.h"
#include "train/abtest/log_check.h"
#include "train/attribution/attribute.h"
#include "train/data/prepare.h"
#include "train/metrics/sample.h"
#include "train/simulate/platform_csv.h"
#include "train/simulate/simulate.h"
#include "train/trainer/scores.h"
#include "train/trainer/trainer.h"

namespace mal {
namespace {

constexpr std::uint32_t kUsers = 150;
constexpr int kDays = 9;
constexpr std::uint64_t kSeed = 5;

// A log, and a run trained on it; the last day is its test set.
std::string trained_run(const test::TemporaryFolder& folder) {
  SimulateOptions simulated;
  simulated.out = folder / "log";
  simulated.users = kUsers;
  simulated.days = kDays;
  simulated.seed = kSeed;
  simulated.progress = false;
  simulate(simulated);
  AttributeOptions credited;
  credited.inputs = {simulated.out + "/clicks.csv"};
  credited.conversions = {simulated.out + "/conversions.csv"};
  credited.key = "advertiser";
  credited.channel = "channel";
  credited.test_days = 1;
  credited.out = folder / "samples";
  credited.progress = false;
  attribute(credited);
  PrepareOptions prepared;
  prepared.schema = "simulated";
  prepared.train = {credited.out + "/train.csv"};
  prepared.test = {credited.out + "/test.csv"};
  prepared.output = folder / "dataset";
  prepared.progress = false;
  prepare(prepared);
  RunConfig config;
  config.name = "small";
  config.data.path = prepared.output;
  config.model.bottom = {16};
  config.model.tower = {8};
  config.train.batch_size = 64;
  config.output = folder / "run";
  train(config, {.device = "cpu", .scores = true});
  return config.output;
}

TEST_CASE("an arm scores the clicks of the log as the trainer did", "[abtest]") {
  const test::TemporaryFolder folder;
  const std::string run = trained_run(folder);
  const std::vector<float> logits = load_scores(run);
  WarmUp warm = warm_up(kSeed, default_world(), kUsers, kDays, 2, false);
  const Arm arm({"small", run}, warm.world, warm.rates, folder / "small.mal");
  // The test rows are the last day's clicks, by time and then user by user.
  std::vector<PastClick> clicks;
  for (const PastClick& past : warm.past)
    if (past.click.time >= kSimulationStart + (kDays - 1) * 86400) clicks.push_back(past);
  std::ranges::stable_sort(clicks, {}, [](const PastClick& past) { return past.click.time; });
  REQUIRE(clicks.size() == logits.size());
  REQUIRE(clicks.size() > 100);
  const Random noise(kSeed, kScoreNoise);
  const std::unique_ptr<Bidder> bidder = arm.bidder();
  double lowest = 1, highest = 0;
  for (std::size_t i = 0; i < clicks.size(); ++i) {
    double probability = 0;
    bidder->predict(place_of(warm, clicks[i], noise), {&probability, 1});
    REQUIRE(std::abs(probability - sigmoid(static_cast<double>(logits[i]))) < 1e-5);
    lowest = std::min(lowest, probability);
    highest = std::max(highest, probability);
  }
  CHECK(highest - lowest > 0.001);  // it tells clicks apart, so a wrong feature shows

  // Another seed's platform has other users and ads behind the same numbers; a larger one has numbers of its own.
  CHECK(check_on_log(arm, warm, 1).unknown_users < 0.2);
  const WarmUp larger = warm_up(kSeed, default_world(), 20 * kUsers, kDays, 2, false);
  const LogCheck strange = check_on_log(arm, larger, 2);
  CHECK(strange.unknown_users > 0.9);
  CHECK_THROWS_AS(judge(strange, arm.spec()), Error);
  CHECK_NOTHROW(judge(check_on_log(arm, warm, 1), arm.spec()));
}

TEST_CASE("the warm-up is the log, click for click", "[abtest]") {
  SimulateOptions options;
  options.users = 120;
  options.days = 12;
  options.seed = 8;
  options.progress = false;
  for (const char* name : {"default", "cold", "drift"}) {
    INFO(name);
    for (const WorldPreset& preset : world_presets())
      if (preset.name == name) preset.change(options.world = default_world());
    const Platform platform = simulate_platform(options);
    const WarmUp warm = warm_up(8, options.world, 120, 12, 2, false);
    CHECK(warm.clicks == platform.clicks.size());
    CHECK(warm.conversions == platform.conversions.size());
    std::vector<SimulatedClick> last_days;
    std::vector<std::vector<std::uint32_t>> seen(120);
    for (const SimulatedClick& click : platform.clicks) {
      seen[click.user].push_back(click.ad);
      if (click.time >= kSimulationStart + (12 - kCalibrationDays) * 86400) last_days.push_back(click);
    }
    REQUIRE(warm.past.size() == last_days.size());
    for (std::size_t i = 0; i < last_days.size(); ++i) {
      const SimulatedClick& a = warm.past[i].click;
      const SimulatedClick& b = last_days[i];
      REQUIRE(std::tuple(a.time, a.user, a.ad, a.channel) == std::tuple(b.time, b.user, b.ad, b.channel));
      CHECK(warm.past[i].weight > 0);
    }
    for (std::uint32_t user = 0; user < 120; ++user) {
      const std::size_t kept = std::min<std::size_t>(20, seen[user].size());
      CHECK(std::equal(warm.seen[user].begin(), warm.seen[user].end(),
                       seen[user].end() - static_cast<std::ptrdiff_t>(kept)));
      CHECK(warm.seen[user].size() == kept);
    }
  }
}

}  // namespace
}  // namespace mal

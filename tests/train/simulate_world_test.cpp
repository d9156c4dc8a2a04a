// Worlds: files, presets, and what each preset changes.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <map>
#include <numeric>
#include <set>
#include <utility>

#include "engine/error.h"
#include "engine/file.h"
#include "tests/train/simulate_support.h"
#include "train/simulate/simulate.h"
#include "train/simulate/world_file.h"

namespace mal {
namespace {

using Catch::Matchers::Contains;
using test::SimulationFolder;

SimulateOptions small(const std::string& world, std::uint32_t users, int days) {
  SimulateOptions options;
  options.users = users;
  options.days = days;
  options.world = read_world(world);
  options.progress = false;
  return options;
}

std::string refusal(const std::string& yaml) {
  try {
    world_of_yaml(yaml, "w.yaml");
  } catch (const Error& error) {
    CHECK(error.exit_code() == 2);
    return error.what();
  }
  return "accepted";
}

TEST_CASE("the default world draws what it always drew", "[simulate]") {
  // FNV-1a over time, user, ad and channel of each click, user by user; counted in the files of an earlier program.
  std::uint64_t hash = 14695981039346656037U;
  const Platform platform = simulate_platform(small("default", 300, 6));
  for (const SimulatedClick& click : platform.clicks)
    for (const std::uint64_t x : {static_cast<std::uint64_t>(click.time), std::uint64_t{click.user},
                                  std::uint64_t{click.ad}, std::uint64_t{click.channel}})
      hash = (hash ^ x) * 1099511628211U;
  CHECK(platform.clicks.size() == 2969);
  CHECK(hash == 9862741416592357305U);
  std::int64_t seconds = 0;
  for (const SimulatedConversion& conversion : platform.conversions) seconds += conversion.time - kSimulationStart;
  CHECK(platform.conversions.size() == 143);
  CHECK(seconds == 77625327);
}

TEST_CASE("a world that is printed is the same world when read", "[simulate]") {
  for (const WorldPreset& preset : world_presets()) {
    INFO(preset.name);
    const WorldParameters world = read_world(std::string(preset.name));
    CHECK(world_of_yaml(world_yaml(world), "w.yaml") == world);
    CHECK((world == default_world()) == (preset.name == "default"));
  }
  WorldParameters odd = default_world();
  odd.ads.same_brand = 0.1 + 0.2;  // 17 digits
  odd.industries.resize(1);
  odd.industries[0].name = "true";
  CHECK(world_of_yaml(world_yaml(odd), "w.yaml") == odd);
}

TEST_CASE("a world file changes what it names, from its preset on", "[simulate]") {
  CHECK(world_of_yaml("{}", "w.yaml") == default_world());
  WorldParameters world = world_of_yaml("preset: many_ads\nads: {ads_max: 30}\nchannel_strength: 0.5\n", "w.yaml");
  CHECK(world.ads.ads_max == 30);
  CHECK(world.ads.advertisers == 1200);
  CHECK(world.channel_strength == 0.5);
  world = world_of_yaml(
      "industries:\n- {name: cars, half_life_days: 9, revisit: 0.1, conversion: 0.02, share: 1, price: 9}\n"
      "channels: [{name: tv, effect: 1, fresh: 1, back: 2}]\n",
      "w.yaml");
  REQUIRE(world.industries.size() == 1);
  CHECK(world.industries[0] == Industry{"cars", 9, 0.1, 0.02, 1, 9});
  REQUIRE(world.channels.size() == 1);
  SimulateOptions options;
  options.users = 200;
  options.days = 4;
  options.world = world;
  options.progress = false;
  const Platform platform = simulate_platform(options);
  CHECK(platform.world.advertisers.size() == 120);
  CHECK(platform.clicks.size() > 500);
  for (const SimulatedClick& click : platform.clicks) REQUIRE(click.channel == 0);
}

TEST_CASE("a world file that cannot be is refused by line", "[simulate]") {
  CHECK_THAT(refusal("ads:\n  advertisrs: 3\n"), Contains("w.yaml:2") && Contains("did you mean 'advertisers'"));
  CHECK_THAT(refusal("preset: colt\n"), Contains("w.yaml:1") && Contains("'cold'"));
  CHECK_THAT(refusal("drift: {taste: -1}\n"), Contains("w.yaml:1") && Contains("drift.taste"));
  CHECK_THAT(refusal("ads: {ads_min: 2.5}\n"), Contains("ads.ads_min"));
  CHECK_THAT(refusal("ads: {ads_min: 30}\n"), Contains("30 is above ads_max, 20"));
  CHECK_THAT(refusal("ads: {advertisers: 100000, ads_max: 10000}\n"), Contains("ads in all"));
  CHECK_THAT(refusal("hours: [1, 2]\n"), Contains("24 weights"));
  CHECK_THAT(refusal("channels: []\n"), Contains("0 entries: 1 to 16"));
  CHECK_THAT(refusal("channels: [{name: a, effect: 1, fresh: 0, back: 1}]\n"), Contains("every weight `fresh` is 0"));
  CHECK_THAT(refusal("channels: [{name: a, effect: 1, fresh: 1, back: 0}]\n"), Contains("every weight `back` is 0"));
  CHECK_THAT(refusal("channels: [{name: a, effect: 1, fresh: 1}]\n"), Contains("back"));
  CHECK_THAT(refusal("channels: [{name: 'a,b', effect: 1, fresh: 1, back: 1}]\n"), Contains("letters, digits"));
  CHECK_THAT(refusal("channels: {a: 1}\n"), Contains("a list is expected"));
  CHECK_THAT(
      refusal("channels:\n- {name: a, effect: 1, fresh: 1, back: 1}\n- {name: a, effect: 1, fresh: 1, back: 1}\n"),
      Contains("w.yaml:3") && Contains("'a' occurs twice"));
  CHECK_THAT(refusal("industries: [{name: a, half_life_days: 1, revisit: 0, conversion: 0, share: 0, price: 1}]\n"),
             Contains("every share is 0"));
  CHECK_THROWS_AS(read_world("no/such/file.yaml"), Error);
  CHECK_THROWS_AS(read_world("cod"), Error);
}

double clicks_per_journey(const Platform& platform) {
  std::set<std::pair<std::uint32_t, std::uint32_t>> journeys;
  for (const SimulatedClick& click : platform.clicks)
    journeys.insert({click.user, platform.world.ads[click.ad].advertiser});
  return static_cast<double>(platform.clicks.size()) / static_cast<double>(journeys.size());
}

TEST_CASE("long paths are longer than short ones", "[simulate]") {
  const auto length = [](const char* world) { return clicks_per_journey(simulate_platform(small(world, 600, 20))); };
  const double middle = length("default");
  CHECK(length("long_paths") > 1.15 * middle);
  CHECK(length("short_paths") < 0.95 * middle);
}

TEST_CASE("where there are many ads, most are rare", "[simulate]") {
  const auto clicks_of_most = [](const Platform& platform) {
    std::map<std::uint32_t, int> clicks;
    for (const SimulatedClick& click : platform.clicks) ++clicks[click.ad];
    int seen_thrice = 0;
    for (const auto& [ad, count] : clicks) seen_thrice += count >= 3 ? 1 : 0;
    return static_cast<double>(seen_thrice) / static_cast<double>(clicks.size());
  };
  const Platform usual = simulate_platform(small("default", 600, 20)),
                 many = simulate_platform(small("many_ads", 600, 20));
  CHECK(many.world.advertisers.size() == 10 * usual.world.advertisers.size());
  CHECK(clicks_of_most(many) < 0.5 * clicks_of_most(usual));
}

TEST_CASE("in a cold world ads and users come and go", "[simulate]") {
  SimulateOptions options = small("cold", 800, 20);
  const Platform platform = simulate_platform(options);
  const Random profiles(platform.world.seed, "simulate: users");
  std::set<std::uint32_t> late_users, late_ads;
  for (const SimulatedClick& click : platform.clicks) {
    const int day = static_cast<int>((click.time - kSimulationStart) / 86400);
    const User user = make_user(platform.world, profiles, click.user);
    // A session that begins before midnight may end after it.
    const Stay& ad = platform.world.ads[click.ad].stay;
    REQUIRE(((ad.on(day) && user.stay.on(day)) || (ad.on(day - 1) && user.stay.on(day - 1))));
    if (user.stay.first >= 10) late_users.insert(click.user);
    if (platform.world.ads[click.ad].stay.first >= 10) late_ads.insert(click.ad);
  }
  CHECK(late_users.size() > 100);
  CHECK(late_ads.size() > 1000);
  const auto& ads = platform.world.ads;
  const auto present = std::ranges::count_if(ads, [](const Ad& ad) { return ad.stay.first == 0; });
  // Half, and a twentieth of the other half whose first day is 0: 0.525.
  CHECK(static_cast<double>(present) / static_cast<double>(ads.size()) == Approx(0.525).margin(0.01));
  const double lived = std::accumulate(ads.begin(), ads.end(), 0.0,
                                       [](double sum, const Ad& ad) { return sum + ad.stay.last - ad.stay.first; });
  CHECK(lived / static_cast<double>(ads.size()) == Approx(20).epsilon(0.03));
  // One ad an industry, for a day: on the others there is nothing to click on.
  options.world.ads = {.advertisers = 1, .ads_min = 1, .ads_max = 1, .present = 0, .lifetime_days = 1e-6};
  std::map<std::uint32_t, std::set<double>> first_days;
  const Platform empty = simulate_platform(options);
  for (const SimulatedClick& click : empty.clicks) {
    const double days = static_cast<double>(click.time - kSimulationStart) / 86400;
    const double first = empty.world.ads[click.ad].stay.first;
    REQUIRE((days >= first && days < first + 1.1));
  }
  CHECK(empty.world.ads.size() <= 16);
  CHECK(empty.clicks.size() < platform.clicks.size() / 5);
}

TEST_CASE("tastes, interests, qualities and channels drift as far as the world says", "[simulate]") {
  const World world = make_world(3, read_world("drift"), 60);
  const User user = make_user(world, Random(3, "simulate: users"), 5);
  const User later = user_on(world, user, 30);
  CHECK(cosine(later.image, user.image) == Approx(std::cos(1.0)).epsilon(1e-5));
  CHECK(cosine(later.text, user.text) == Approx(std::cos(1.0)).epsilon(1e-5));
  CHECK(cosine(later.image, later.image) == Approx(1).epsilon(1e-5));
  CHECK(cosine(user_on(world, user, 15).image, user.image) == Approx(std::cos(0.5)).epsilon(1e-5));
  const User now = user_on(world, user, 0);
  CHECK(now.interest == user.interest);
  CHECK(now.image == user.image);
  double square = 0, sum = 0;
  for (const Ad& ad : world.ads) {
    const double change = std::log(world.quality(ad, 30) / world.quality(ad, 0));
    square += change * change;
    sum += change;
  }
  const auto ads = static_cast<double>(world.ads.size());
  CHECK(sum / ads == Approx(0).margin(0.02));
  CHECK(std::sqrt(square / ads) == Approx(0.5).epsilon(0.03));
  std::set<double> changes;
  for (std::size_t c = 0; c < 6; ++c) {
    const double month = std::log(world.effect(c, 30) / world.effect(c, 0));
    CHECK(std::abs(month) < 2);  // 4 σ
    CHECK(std::log(world.effect(c, 60) / world.effect(c, 0)) == Approx(2 * month));
    changes.insert(month);
  }
  CHECK(changes.size() == 6);
}

TEST_CASE("years of the strongest drift leave numbers that can be reckoned with", "[simulate]") {
  WorldParameters parameters = default_world();
  parameters.industries.resize(3);
  parameters.industries[2].share = 0;  // no ads
  parameters.channels[0].effect = 0;
  parameters.drift = {.taste = 6, .interest = 6, .quality = 3, .channels = 3};
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    INFO(seed);
    const World world = make_world(seed, parameters, 3650);
    CHECK(world.effect(0, 3649) == 0);
    for (std::size_t c = 1; c < 6; ++c) CHECK((world.effect(c, 3649) > 0 && std::isfinite(world.effect(c, 3649))));
    for (const Ad& ad : world.ads) CHECK((world.quality(ad, 3649) > 0 && std::isfinite(world.quality(ad, 3649))));
    SimulateOptions options = small("default", 1, 3650);
    options.seed = seed;
    options.world = parameters;
    const Platform platform = simulate_platform(options);
    REQUIRE(!platform.clicks.empty());
    CHECK(platform.clicks.back().time > kSimulationStart + std::int64_t{3500} * 86400);
    // Interests go where they go, not to the last industry in the list.
    std::uint32_t most = 0;
    if (world.interest_drift[1] > world.interest_drift[0]) most = 1;
    CHECK(platform.world.ads[platform.clicks.back().ad].industry == most);
  }
}

TEST_CASE("whatever the world, a conversion hands out one credit", "[simulate]") {
  for (const WorldPreset& preset : world_presets()) {
    INFO(preset.name);
    SimulateOptions options = small(std::string(preset.name), 500, 15);
    options.world.conversions.organic = 0;
    const Platform platform = simulate_platform(options);
    double credit = 0;
    for (const SimulatedClick& click : platform.clicks) credit += static_cast<double>(click.oracle);
    const auto conversions = static_cast<double>(platform.conversions.size());
    CHECK(conversions > 50);
    CHECK(credit <= conversions * (1 + 1e-6));  // below: a click with a part in two conversions has at most 1
    CHECK(credit > 0.95 * conversions);
  }
}

TEST_CASE("the files of a long simulation are in the order of time, with the history of each user", "[simulate]") {
  const SimulationFolder folder;
  SimulateOptions options = small("drift", 150, 150);  // 3 days a bucket
  options.world.scores.history = 4;
  options.out = folder.path("out");
  options.threads = 2;
  const SimulateReport report = simulate(options);
  CHECK(world_of_yaml(read_file(folder.path("out/world.yaml")), "w.yaml") == options.world);
  for (const auto& entry : std::filesystem::directory_iterator(folder.path("out")))
    CHECK(std::set<std::string>{"clicks.csv", "conversions.csv", "simulate.json", "world.yaml"}.contains(
        entry.path().filename().string()));
  std::map<std::string, std::vector<std::string>> seen;
  std::int64_t before = 0;
  std::uint64_t rows = 0;
  for (const auto& row : test::csv_rows(folder.path("out/clicks.csv"))) {
    const std::int64_t time = std::stoll(row.at("time"));
    REQUIRE(time >= before);
    before = time;
    std::vector<std::string>& ads = seen[row.at("user")];
    std::string history;
    for (std::size_t i = ads.size() - std::min<std::size_t>(4, ads.size()); i < ads.size(); ++i)
      history += (history.empty() ? "" : "|") + ads[i];
    REQUIRE(row.at("item_seq") == history);
    const auto parts = [](const std::string& text) { return std::ranges::count(text, '|'); };
    REQUIRE(parts(row.at("image_scores")) == parts(history));
    ads.push_back(row.at("ad_item"));
    ++rows;
  }
  CHECK(rows == report.clicks);
  CHECK(rows > 10000);
}

}  // namespace
}  // namespace mal

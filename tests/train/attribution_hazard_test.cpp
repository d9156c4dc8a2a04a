// additive_hazard: the sample that it is fitted to, the fit, its credits, and its way through the command.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <random>

#include "tests/train/attribution_disk_support.h"
#include "tests/train/attribution_hazard_support.h"
#include "train/attribution/additive_hazard.h"
#include "train/attribution/channel_model.h"
#include "train/attribution/hazard_sample.h"
#include "train/attribution/touch_rules.h"
#include "train/data/time_text.h"

namespace mal {

namespace {

using test::log_of;
using test::simulate_hazard;

constexpr std::int64_t kDay = 86400 * kSecond;

HazardSample sample_of(const ClickLog& log, std::int64_t window, bool restart, std::int64_t until,
                       std::uint32_t channels) {
  HazardCollector collector;
  collector.observe(log, order_clicks(log), {window, restart, nullptr}, until, log.channels);
  std::vector<std::uint32_t> number(channels);
  for (std::uint32_t c = 0; c < channels; ++c) number[c] = c;
  return collector.sample(number);
}

// The formula of additive_hazard.h, term by term.
double likelihood(const HazardSample& sample, const std::vector<double>& effects, double delay) {
  double sum = 0, clicks = 0;
  std::size_t at = 0;
  for (const std::size_t end : sample.ends) {
    double hazard = 0;
    for (; at < end; ++at)
      hazard += effects[sample.touches[at].channel] *
                std::exp(-static_cast<double>(sample.touches[at].age) / 1e6 / delay) / delay;
    sum += sample.weight * std::log(hazard);
  }
  for (const Exposure& e : sample.exposures) {
    sum -= e.clicks * effects[e.channel] * (1 - std::exp(-e.seconds / delay));
    clicks += e.clicks;
  }
  const double prior = sample.weight * static_cast<double>(sample.ends.size()) / clicks;
  for (const double effect : effects) sum += prior * std::log(effect) - effect;
  return sum;
}

std::vector<double> shares(const std::vector<std::int64_t>& seconds, const std::vector<std::uint32_t>& channels,
                           const std::vector<double>& effects, double delay) {
  std::vector<std::int64_t> times;
  times.reserve(seconds.size());
  for (const std::int64_t second : seconds) times.push_back(second * kSecond);
  std::vector<double> credits(times.size());
  MechanismParameters parameters;
  parameters.hazard_effects = effects;
  parameters.hazard_delay_seconds = delay;
  credit_journey(Mechanism::additive_hazard, {times, channels}, parameters, credits);
  return credits;
}

}  // namespace

TEST_CASE("the additive hazard model finds the parameters that made a log", "[attribution][hazard]") {
  const std::vector<double> effects = {0.3, 0.1, 0.02};
  const ClickLog log = simulate_hazard(effects, 2, 40000, 7);
  // Cut on day 30: many conversions are yet to come, and a fit that forgot it would find shorter delays.
  const HazardSample sample = sample_of(log, 25 * kDay, false, 30 * kDay, 3);
  const AdditiveHazard fit = fit_additive_hazard(sample, 3);
  CHECK(fit.delay_seconds / 86400 == Approx(2).epsilon(0.05));
  CHECK(fit.effects[0] == Approx(0.3).epsilon(0.04));
  CHECK(fit.effects[1] == Approx(0.1).epsilon(0.08));
  CHECK(fit.effects[2] == Approx(0.02).margin(0.01));
  REQUIRE(fit.log_likelihood.size() > 10);
  for (std::size_t i = 1; i < fit.log_likelihood.size(); ++i)
    CHECK(fit.log_likelihood[i] >= fit.log_likelihood[i - 1] - 1e-9 * std::abs(fit.log_likelihood[i]));
  // And it is the maximum, by the formula itself.
  const double best = likelihood(sample, fit.effects, fit.delay_seconds);
  CHECK(best == Approx(fit.log_likelihood.back()).epsilon(1e-12));
  for (const double factor : {0.99, 1.01}) {
    CHECK(likelihood(sample, fit.effects, fit.delay_seconds * factor) < best);
    for (std::size_t c = 0; c < 3; ++c) {
      std::vector<double> other = fit.effects;
      other[c] *= factor;
      CHECK(likelihood(sample, other, fit.delay_seconds) < best);
    }
  }
}

TEST_CASE("the additive hazard model of one channel is the mean delay and the rate", "[attribution][hazard]") {
  HazardSample sample;
  sample.exposures = {{0, 1e6, 1e9}};
  sample.touches = {{0, 100 * kSecond}, {0, 200 * kSecond}, {0, 300 * kSecond}};
  sample.ends = {1, 2, 3};
  const AdditiveHazard fit = fit_additive_hazard(sample, 1);
  CHECK(fit.delay_seconds == Approx(200).epsilon(1e-6));
  CHECK(fit.effects[0] == Approx(3e-6).epsilon(1e-9));
  sample.weight = 10;
  CHECK(fit_additive_hazard(sample, 1).effects[0] == Approx(3e-5).epsilon(1e-9));
}

TEST_CASE("conversions at the moment of a click do not drive the delay to 0", "[attribution][hazard]") {
  HazardSample sample;
  sample.exposures = {{0, 10, 1e6}, {1, 10, 1e6}};
  sample.touches = {{1, 2000 * kSecond}, {0, 0}, {0, 0}};
  sample.ends = {2, 3};
  const AdditiveHazard fit = fit_additive_hazard(sample, 2);
  CHECK(fit.delay_seconds == 1);
  CHECK(fit.effects[0] == Approx((2 + 0.1) / 11));
  CHECK(fit.effects[1] == Approx(0.1 / 11));  // the prior alone
}

TEST_CASE("a click is watched to the window, the end, or with restart the next conversion", "[attribution][hazard]") {
  const ClickLog log = log_of({{0, 0, 0}, {400 * kSecond, 1, 0}, {900 * kSecond, 1, 1}},
                              {{100 * kSecond, 0}, {300 * kSecond, 0}, {400 * kSecond, 1}});
  const auto watched = [&](bool restart, std::int64_t until) {
    std::vector<double> seconds;
    for (const Exposure& e : sample_of(log, 1000 * kSecond, restart, until * kSecond, 2).exposures)
      for (int n = 0; n < static_cast<int>(e.clicks); ++n) seconds.push_back(e.seconds);
    std::ranges::sort(seconds);
    return seconds;
  };
  CHECK(watched(false, 5000) == std::vector<double>{1000, 1000, 1000});
  CHECK(watched(false, 950) == std::vector<double>{50, 550, 950});
  CHECK(watched(false, 900) == std::vector<double>{500, 900});
  CHECK(watched(true, 5000) == std::vector<double>{0, 100, 1000});
  // The touches of a conversion, oldest first; with restart the one at 300 has none.
  CHECK(sample_of(log, 1000 * kSecond, false, 5000 * kSecond, 2).ends == std::vector<std::size_t>{1, 2, 3});
  CHECK(sample_of(log, 1000 * kSecond, true, 5000 * kSecond, 2).ends == std::vector<std::size_t>{1, 2});
}

TEST_CASE("a click with a window of its own is watched to the end of that", "[attribution][hazard]") {
  ClickLog log = log_of({{0, 0, 0}, {0, 1, 1}}, {{300 * kSecond, 0}, {300 * kSecond, 1}});
  log.channels.intern("search");
  log.channels.intern("display");
  AttributeOptions o;
  o.window = 1000;
  o.lookback = {{"display", 200}};
  const TouchRules rules(o, log.channels);
  HazardCollector collector;
  collector.observe(log, order_clicks(log), {1000 * kSecond, false, &rules}, 5000 * kSecond, log.channels);
  const HazardSample sample = collector.sample(std::vector<std::uint32_t>{0, 1});
  REQUIRE(sample.exposures.size() == 2);
  CHECK(sample.exposures[0].seconds == 1000);
  CHECK(sample.exposures[1].seconds == 200);
  CHECK(sample.ends == std::vector<std::size_t>{1});  // display reaches no conversion
}

TEST_CASE("a thinned sample of conversions does not depend on their order", "[attribution][hazard]") {
  std::mt19937_64 random(3);
  std::vector<std::pair<std::uint64_t, std::vector<AgedClick>>> conversions;
  for (int n = 0; n < 1000; ++n) {
    std::vector<AgedClick> touches(1 + random() % 4);
    for (AgedClick& touch : touches)
      touch = {static_cast<std::uint32_t>(random() % 3), static_cast<std::int64_t>(random() % 1000) * kSecond};
    conversions.emplace_back(random(), touches);
  }
  const std::vector<std::uint32_t> number = {2, 0, 1};
  std::vector<HazardSample> samples;
  for (int order = 0; order < 3; ++order) {
    HazardCollector collector(200);
    for (const auto& [hash, touches] : conversions) collector.add_conversion(hash, touches);
    samples.push_back(collector.sample(number));
    std::ranges::shuffle(conversions, random);
  }
  CHECK(samples[0].touches.size() <= 200);
  CHECK(samples[0].ends.size() > 20);
  CHECK(samples[0].weight == Approx(1000.0 / static_cast<double>(samples[0].ends.size())));
  for (const HazardSample& sample : samples) {
    CHECK(sample.touches == samples[0].touches);
    CHECK(sample.ends == samples[0].ends);
  }
}

TEST_CASE("the sample of additive_hazard does not go by which row of one moment came first", "[attribution][hazard]") {
  std::vector<test::TestClick> rows(300, {kDay, 0, 1});  // more than it looks at
  for (std::size_t k = 0; k < rows.size(); k += 3) rows[k].channel = 0;
  rows.back().channel = 2;
  std::mt19937_64 random(11);
  const auto sampled = [&rows] {
    return sample_of(test::named(log_of(rows, {{2 * kDay, 0}}), 3), 30 * kDay, false, 3 * kDay, 3);
  };
  const HazardSample sample = sampled();
  REQUIRE(sample.touches.size() == HazardCollector::kLongest);
  CHECK(std::ranges::count(sample.touches, AgedClick{0, kDay}) == 100);  // names that come first
  CHECK(std::ranges::count(sample.touches, AgedClick{1, kDay}) == 156);
  for (int again = 0; again < 5; ++again) {
    std::shuffle(rows.begin(), rows.end(), random);
    CHECK(sampled().touches == sample.touches);
  }
}

TEST_CASE("additive_hazard credits by effect and age", "[attribution][hazard]") {
  const double first = 2 * std::exp(-2.0), second = std::exp(-1.0), third = 2, sum = first + second + third;
  const std::vector<double> credits = shares({0, 10, 20}, {0, 1, 0}, {2, 1}, 10);
  CHECK(credits[0] == Approx(first / sum));
  CHECK(credits[1] == Approx(second / sum));
  CHECK(credits[2] == Approx(third / sum));
  // A delay so short that every weight but the newest vanishes, and the newest has no effect.
  CHECK(shares({0, 1000000, 2000000}, {0, 0, 1}, {1, 0}, 1) == std::vector<double>{0, 1, 0});
  CHECK(shares({0, 5}, {0, 0}, {0}, 1) == std::vector<double>{0.5, 0.5});
}

namespace {

// A hundred users of the model's own kind as text: `ads` brings conversions, `mail` comes after it and brings none.
std::pair<std::string, std::string> hazard_files() {
  std::string clicks = "user,time,advertiser,channel\n", buys = "user,time,advertiser\n";
  for (int user = 0; user < 100; ++user) {
    const int start = 1000000 + 86400 * (user % 20);
    clicks += fmt::format("{},{},a,ads\n", user, start);
    if (user % 3 == 0) clicks += fmt::format("{},{},a,mail\n", user, start + 9000);
    if (user % 4 == 0) buys += fmt::format("{},{},a\n", user, start + 10000 + 977 * (user % 7));
  }
  for (int user = 100; user < 160; ++user) clicks += fmt::format("{},{},a,mail\n", user, 1000000 + 7919 * user);
  return {clicks, buys};
}

}  // namespace

TEST_CASE("additive_hazard is the same in memory, on disk, and by the model read back", "[attribution][hazard]") {
  const test::AttributionFolder folder;
  const auto [clicks, buys] = hazard_files();
  AttributeOptions o = folder.options(clicks, buys);
  o.mechanisms = {"last", "additive_hazard", "shapley"};
  const AttributeReport report = test::expect_same_on_disk(o, folder);
  REQUIRE(report.channels.size() == 2);
  CHECK(report.channels[0].name == "ads");
  CHECK(report.channels[0].values[1] > 5 * report.channels[1].values[1]);
  CHECK(summary(report).find("additive_hazard: what a click does fades with a mean delay of") != std::string::npos);

  o.channel_model = folder.path("memory") + "/channel_model.json";
  o.out = folder.path("again");
  attribute(o);
  CHECK(test::bytes_of(o.out + "/train.csv") == test::bytes_of(folder.path("memory") + "/train.csv"));

  std::string text = read_file(o.channel_model);
  text.replace(text.find("additive_hazard_delay_seconds"), 15, "something_else_");
  o.channel_model = folder.write("model.json", text);
  o.out = folder.path("refused");
  CHECK(test::attribution_error(o).find("additive_hazard_delay_seconds has to be a number") != std::string::npos);
}

TEST_CASE("additive_hazard learns nothing where nothing converts, and says so", "[attribution][hazard]") {
  const test::AttributionFolder folder;
  AttributeOptions o = folder.options("user,time,advertiser,channel\n1,100000,a,x\n1,100100,a,y\n2,300000,a,x\n",
                                      "user,time,advertiser\n1,200000,a\n");
  o.mechanisms = {"additive_hazard"};
  o.test_from = "150000";
  const AttributeReport report = attribute(o);
  CHECK(summary(report).find("nothing can be learned: the only journey of the fit does not convert, so "
                             "additive_hazard equals linear") != std::string::npos);
  CHECK(test::attribution_lines(o.out + "/train.csv")[1].find(",0.5,") != std::string::npos);
}

TEST_CASE("additive_hazard wants the time of conversions", "[attribution][hazard]") {
  const test::AttributionFolder folder;
  AttributeOptions o = folder.one_file(
      "j.csv", "journey,user,timestamp,campaign,conversion\n1,1,100000,a,1\n2,2,100000,b,0\n", "journeys");
  o.mechanisms = {"additive_hazard"};
  CHECK(test::attribution_error(o, 2).find("--format journeys does not have") != std::string::npos);
}

}  // namespace mal

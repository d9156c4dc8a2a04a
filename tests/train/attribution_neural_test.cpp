// neural: the moments that it is trained on, its training, and the game. Its way through the command:
// attribution_neural_command_test.cpp.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <random>

#include "tests/train/attribution_disk_support.h"
#include "tests/train/attribution_hazard_support.h"
#include "train/attribution/neural_credit.h"
#include "train/attribution/neural_fit.h"
#include "train/attribution/neural_sample.h"
#include "train/attribution/touch_rules.h"
#include "train/data/time_text.h"

namespace mal {

namespace {

constexpr std::int64_t kOneDay = 86400 * kSecond, kOneHour = 3600 * kSecond;

NeuralWeights random_weights(std::size_t channels, unsigned seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal(0, 0.25F);
  NeuralWeights weights;
  weights.base = -10;
  for (const NeuralWeights::Tensor& tensor : weights.tensors(channels))
    for (std::size_t i = 0; i < tensor.size; ++i) tensor.values->push_back(normal(random));
  return weights;
}

std::vector<BinnedClick> binned(const std::vector<AgedClick>& clicks) {
  std::vector<BinnedClick> result;
  for (const AgedClick& click : clicks) result.push_back({click.channel, age_bin(click.age)});
  return result;
}

std::vector<Moment> moments_of(const ClickLog& log, const JourneyRule& rule, std::int64_t until,
                               MomentCollector collector = MomentCollector(1)) {
  collector.observe(log, order_clicks(log), rule, until, log.channels);
  return collector.moments(std::vector<std::uint32_t>{0, 1, 2, 3});
}

std::vector<double> neural_shares(NeuralCredit& credit, const std::vector<std::int64_t>& ages,
                                  const std::vector<std::uint32_t>& channels) {
  const std::int64_t conversion = 400 * kOneDay;
  std::vector<std::int64_t> times;
  for (const std::int64_t age : ages) times.push_back(conversion - age);
  std::vector<double> credits(ages.size());
  credit.credit({.times = times, .channels = channels, .conversion = conversion}, credits);
  return credits;
}

// Σ over all orders of the clicks, by the definition; the game is the sum of the networks' hazards.
std::vector<double> shapley_by_orders(const std::vector<NeuralWeights>& networks,
                                      const std::vector<BinnedClick>& clicks) {
  std::vector<std::size_t> order(clicks.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::vector<double> worth(std::size_t{1} << clicks.size(), 0.0), values(clicks.size(), 0.0);
  for (const NeuralWeights& weights : networks) {
    const NeuralNetwork network(weights);
    for (std::size_t set = 1; set < worth.size(); ++set) {
      std::vector<BinnedClick> those;
      for (std::size_t k = 0; k < clicks.size(); ++k)
        if ((set >> k & 1U) != 0) those.push_back(clicks[k]);
      worth[set] += std::exp(network.log_hazard(those));
    }
  }
  do {
    std::size_t set = 0;
    for (const std::size_t k : order) {
      const std::size_t before = set;
      set |= std::size_t{1} << k;
      values[k] += worth[set] - worth[before];
    }
  } while (std::next_permutation(order.begin(), order.end()));
  double sum = 0;
  for (double& value : values) sum += value = std::max(0.0, value);
  for (double& value : values) value /= sum;
  return values;
}

}  // namespace

TEST_CASE("neural: ages fall into two bins an octave", "[attribution][neural]") {
  CHECK(age_bin(0) == 0);
  CHECK(age_bin(59 * kSecond) == 0);
  CHECK(age_bin(60 * kSecond) == 1);
  CHECK(age_bin(84 * kSecond) == 1);
  CHECK(age_bin(85 * kSecond) == 2);  // 60 √2 = 84.85
  CHECK(age_bin(120 * kSecond) == 3);
  CHECK(age_bin_begin(2) == Approx(84.8528));
  CHECK(age_bin(20 * 365 * kOneDay) == NeuralShape::kAges - 1);
}

TEST_CASE("neural: moments are conversions, and times at which users were watched", "[attribution][neural]") {
  // User 0 clicks, clicks again an hour later, and buys after another hour; user 1 clicks once.
  const ClickLog log = test::log_of({{0, 0, 0}, {kOneHour, 0, 1}, {0, 1, 2}}, {{2 * kOneHour, 0}, {50 * kOneDay, 1}});
  const std::vector<Moment> moments = moments_of(log, {10 * kOneDay, false, nullptr}, 5 * kOneDay);
  REQUIRE(std::ranges::count_if(moments, &Moment::converts) == 1);
  REQUIRE(moments.size() == 4);  // and a control a click
  for (const Moment& moment : moments) {
    const AgedClick& newest = moment.clicks.back();
    // The density of u³ of the stretch: 1 / (3 s^(1/3) Δ^(2/3)).
    const double stretch = newest.channel == 0 ? 3600 : newest.channel == 1 ? 5 * 86400 - 3600.0 : 5 * 86400.0;
    const double since = std::max(1.0, static_cast<double>(newest.age) / 1e6);
    CHECK(moment.log_density == Approx(-std::log(3 * std::cbrt(stretch) * std::pow(since, 2.0 / 3))).margin(1e-6));
    CHECK(static_cast<double>(newest.age) <= stretch * 1e6);
    if (moment.converts) CHECK(moment.clicks == std::vector<AgedClick>{{0, 2 * kOneHour}, {1, kOneHour}});
  }
  // With restart the second click is watched to the conversion, and what follows it is nobody's.
  for (const Moment& moment : moments_of(log, {10 * kOneDay, true, nullptr}, 5 * kOneDay))
    if (moment.clicks.back().channel == 1) CHECK(moment.clicks.back().age <= kOneHour);
}

TEST_CASE("neural: moments have no click that is out of its own window", "[attribution][neural]") {
  // Channel 1 reaches a day. User 0 has it four days before buying, and 0 one day before; user 1 has nothing else.
  ClickLog log = test::log_of({{0, 0, 1}, {3 * kOneDay, 0, 0}, {0, 1, 1}}, {{4 * kOneDay, 0}, {2 * kOneDay, 1}});
  for (const char* name : {"zero", "one"}) log.channels.intern(name);
  AttributeOptions options;
  options.window = 10 * 86400;
  options.lookback = {{"one", 86400}};
  const TouchRules touches(options, log.channels);
  REQUIRE(touches.own_windows());
  std::size_t conversions = 0;
  for (const Moment& moment : moments_of(log, {touches.windows().front(), false, &touches}, 6 * kOneDay)) {
    REQUIRE_FALSE(moment.clicks.empty());
    for (const AgedClick& click : moment.clicks) CHECK((click.channel == 0 || click.age <= kOneDay));
    if (!moment.converts) continue;
    ++conversions;
    CHECK(moment.clicks == std::vector<AgedClick>{{0, kOneDay}});
    // Nothing was thinned out: 3 days are left of the fit, and one is over.
    CHECK(moment.log_density == Approx(-std::log(3 * std::cbrt(3 * 86400) * std::pow(86400, 2.0 / 3))));
  }
  CHECK(conversions == 1);
}

TEST_CASE("neural: controls estimate how long users were watched", "[attribution][neural]") {
  const ClickLog log = test::simulate_hazard({0.3, 0.1, 0.02}, 2, 20000, 3);
  double estimate = 0, truth = 0;
  for (const std::size_t most : {1'000'000, 20'000}) {
    estimate = 0;
    for (const Moment& moment :
         moments_of(log, {20 * kOneDay, false, nullptr}, 30 * kOneDay, MomentCollector(1, 1'000'000, most)))
      if (!moment.converts) estimate += std::exp(-moment.log_density);
    const ClickOrder order = order_clicks(log);
    truth = 0;
    for (std::uint32_t g = 0; g < log.groups; ++g)
      for (std::uint32_t place = order.group_begin[g]; place < order.group_begin[g + 1]; ++place) {
        const std::int64_t time = log.time[order.by_group[place]];
        std::int64_t end = std::min(30 * kOneDay, time + 20 * kOneDay);
        if (place + 1 < order.group_begin[g + 1]) end = std::min(end, log.time[order.by_group[place + 1]]);
        truth += static_cast<double>(std::max<std::int64_t>(0, end - time)) / 1e6;
      }
    CHECK(estimate == Approx(truth).epsilon(0.03));
  }
}

TEST_CASE("neural: thinned conversions stand for all", "[attribution][neural]") {
  const ClickLog log = test::simulate_hazard({0.3, 0.1, 0.02}, 2, 8000, 4);
  const JourneyRule rule = {20 * kOneDay, false, nullptr};
  std::vector<double> rates;  // conversions a second that somebody is watched
  for (const std::size_t most : {1'000'000, 400}) {
    double conversions = 0, seconds = 0;
    for (const Moment& moment : moments_of(log, rule, 60 * kOneDay, MomentCollector(1, most, 1'000'000)))
      moment.converts ? conversions += 1 : seconds += std::exp(-moment.log_density);
    CHECK((conversions <= 400) == (most == 400));
    CHECK(conversions > 150);
    rates.push_back(conversions / seconds);
  }
  CHECK(rates[1] == Approx(rates[0]).epsilon(1e-9));
}

TEST_CASE("neural: clicks of one moment have no order", "[attribution][neural]") {
  // User 0 clicks three channels at once; the rows are in either order.
  const std::vector<test::TestClick> rows = {{0, 0, 0}, {kOneHour, 0, 1}, {kOneHour, 0, 2}};
  const std::vector<test::TestClick> others = {rows[2], rows[1], rows[0]};
  const JourneyRule rule = {kOneDay, false, nullptr};
  const std::vector<Moment> some = moments_of(test::log_of(rows, {{2 * kOneHour, 0}}), rule, 3 * kOneHour);
  const std::vector<Moment> same = moments_of(test::log_of(others, {{2 * kOneHour, 0}}), rule, 3 * kOneHour);
  REQUIRE(some.size() == 3);  // a conversion, and a control for each of the two times
  REQUIRE(same.size() == 3);
  for (std::size_t m = 0; m < some.size(); ++m) {
    CHECK(some[m].clicks == same[m].clicks);
    if (some[m].converts)
      CHECK(some[m].clicks == std::vector<AgedClick>{{0, 2 * kOneHour}, {1, kOneHour}, {2, kOneHour}});
  }
}

TEST_CASE("neural: of more clicks of one moment than it looks at, which are left out does not go by row",
          "[attribution][neural]") {
  std::vector<test::TestClick> rows = {{0, 0, 0}, {kOneHour, 0, 3}, {kOneHour, 0, 1}};
  for (int k = 0; k < 15; ++k) rows.push_back({kOneHour, 0, static_cast<std::uint32_t>(k % 2 == 0 ? 2 : 0)});
  const JourneyRule rule = {kOneDay, false, nullptr};
  std::mt19937_64 random(5);
  for (int again = 0; again < 10; ++again) {
    const ClickLog log = test::named(test::log_of(rows, {{2 * kOneHour, 0}}), 4);
    const std::vector<Moment> moments = moments_of(log, rule, 3 * kOneHour);
    for (const Moment& moment : moments) {
      if (!moment.converts) continue;
      // 7 of channel 0, 1 of channel 1, 8 of channel 2; of the 17 at one moment that of channel 3 is left out.
      std::vector<AgedClick> expected(7, {0, kOneHour});
      expected.push_back({1, kOneHour});
      expected.insert(expected.end(), 8, {2, kOneHour});
      CHECK(moment.clicks == expected);
    }
    std::shuffle(rows.begin(), rows.end(), random);
  }
}

TEST_CASE("neural: credit does not go by which row of one moment came first", "[attribution][neural]") {
  std::mt19937_64 random(7);
  for (const std::size_t clicks : {2U, 5U, 7U, 12U, 16U, 24U}) {
    NeuralCredit credit({random_weights(3, 1), random_weights(3, 2)}, {0, 1, 2});
    std::vector<std::pair<std::int64_t, std::uint32_t>> journey;  // age, channel
    for (std::size_t k = 0; k < clicks; ++k) journey.emplace_back((clicks - k) / 5 * kOneHour, random() % 3);
    std::map<std::pair<std::int64_t, std::uint32_t>, double> first;
    for (int again = 0; again < 8; ++again) {
      std::ranges::stable_sort(journey, std::greater(), &std::pair<std::int64_t, std::uint32_t>::first);
      std::vector<std::int64_t> ages;
      std::vector<std::uint32_t> channels;
      for (const auto& [age, channel] : journey) ages.push_back(age), channels.push_back(channel);
      const std::vector<double> shares = neural_shares(credit, ages, channels);
      CHECK(std::accumulate(shares.begin(), shares.end(), 0.0) == Approx(1));
      for (std::size_t k = 0; k < clicks; ++k) CHECK(first.emplace(journey[k], shares[k]).first->second == shares[k]);
      std::ranges::shuffle(journey, random);
    }
  }
}

TEST_CASE("neural: credit is the Shapley value of the network's hazard", "[attribution][neural]") {
  for (unsigned seed = 1; seed <= 5; ++seed) {
    const std::vector<NeuralWeights> networks = {random_weights(3, seed), random_weights(3, seed + 50)};
    NeuralCredit credit(networks, {0, 1, 2});
    const std::vector<std::int64_t> ages = {9 * kOneDay, 5 * kOneDay, kOneDay, kOneHour, 0};
    const std::vector<std::uint32_t> channels = {2, 0, 1, 0, 2};
    std::vector<AgedClick> clicks;
    for (std::size_t k = 0; k < ages.size(); ++k) clicks.push_back({channels[k], ages[k]});
    const std::vector<double> expected = shapley_by_orders(networks, binned(clicks));
    for (int again = 0; again < 2; ++again) {  // computed, and remembered
      const std::vector<double> shares = neural_shares(credit, ages, channels);
      for (std::size_t k = 0; k < ages.size(); ++k) CHECK(shares[k] == Approx(expected[k]).margin(1e-4));
    }
    // Other ages are another journey.
    CHECK(neural_shares(credit, {20 * kOneDay, 5 * kOneDay, kOneDay, kOneHour, 0}, channels) !=
          neural_shares(credit, ages, channels));
  }
}

TEST_CASE("neural: clicks of unknown channels get nothing, and long journeys are sampled", "[attribution][neural]") {
  constexpr std::uint32_t kNone = kNoChannel;
  NeuralCredit credit({random_weights(2, 1)}, {0, kNone, 1});
  const std::vector<double> shares = neural_shares(credit, {kOneDay, kOneHour, 0}, {0, 1, 2});
  CHECK(shares[1] == 0);
  CHECK(shares[0] + shares[2] == Approx(1));
  CHECK(neural_shares(credit, {kOneDay, 0}, {1, 2}) == std::vector<double>{0, 1});
  CHECK(neural_shares(credit, {kOneDay, 0}, {1, 1}) == std::vector<double>{0.5, 0.5});
  std::vector<std::int64_t> ages;
  for (std::int64_t k = 20; k > 0; --k) ages.push_back(k * kOneHour);
  const std::vector<double> many = neural_shares(credit, ages, std::vector<std::uint32_t>(20, 0));
  CHECK(std::accumulate(many.begin(), many.end(), 0.0) == Approx(1));
  for (std::size_t k = 0; k < many.size(); ++k) {
    if (k < 4) CHECK(many[k] == 0);  // but for the last 16
    CHECK(many[k] >= 0);
  }
}

TEST_CASE("neural: 7 clicks are exact, 8 are sampled and near the exact values", "[attribution][neural]") {
  std::vector<std::int64_t> ages = {9 * kOneDay, 7 * kOneDay, 5 * kOneDay, kOneDay, 7 * kOneHour, kOneHour, 0};
  std::vector<std::uint32_t> channels = {0, 1, 1, 0, 1, 0, 0};
  // Each network has orders of its own, so that many alike are near the exact values of one.
  const std::vector<NeuralWeights> networks(200, random_weights(2, 3));
  NeuralCredit credit(networks, {0, 1});
  for (const double margin : {1e-5, 0.03}) {
    const std::vector<double> shares = neural_shares(credit, ages, channels);
    std::vector<BinnedClick> clicks;
    for (std::size_t k = 0; k < ages.size(); ++k) clicks.push_back({channels[k], age_bin(ages[k])});
    const std::vector<double> exact = shapley_by_orders({networks.front()}, clicks);
    for (std::size_t k = 0; k < ages.size(); ++k) CHECK(shares[k] == Approx(exact[k]).margin(margin));
    ages.insert(ages.begin(), 12 * kOneDay);
    channels.insert(channels.begin(), 1);
  }
}

TEST_CASE("neural: weights that make no sense give linear shares, not NaN", "[attribution][neural]") {
  NeuralWeights huge = random_weights(1, 1);
  for (float& value : huge.hazard_weight) value = 3e38F;
  for (float& value : huge.second_weight) value = value > 0 ? 3e38F : -3e38F;
  huge.second_bias.assign(huge.second_bias.size(), -3e38F);
  NeuralCredit credit({huge}, {0});
  for (const double share : neural_shares(credit, {kOneDay, 0}, {0, 0})) CHECK((share >= 0 && share <= 1));
  NeuralWeights flat = random_weights(1, 1);  // the same hazard whatever the clicks are: the first one brings it all
  std::ranges::fill(flat.hazard_weight, 0.0F);
  flat.base = 1e300;
  NeuralCredit constant({flat}, {0});
  CHECK(neural_shares(constant, {kOneDay, 0}, {0, 0}) == std::vector<double>{0.5, 0.5});
}

// An additive hazard is a game whose Shapley values are its terms: the truth is known.
TEST_CASE("neural: trained on a planted world, credit is the planted one", "[attribution][neural]") {
  const ClickLog log = test::simulate_hazard({0.3, 0.1, 0.02}, 2, 40000, 7);
  const std::vector<Moment> moments = moments_of(log, {20 * kOneDay, false, nullptr}, 40 * kOneDay);
  NeuralFitOptions options;
  options.threads = 1;
  options.networks = 3;
  const NeuralFit fit = fit_neural(moments, 3, options);
  CHECK(fit.report.conversions > 10000);
  CHECK(fit.report.conversions + fit.report.controls == moments.size());

  REQUIRE(fit.networks.size() == 3);
  const auto lone_effect = [&](std::uint32_t channel) {
    double sum = 0;
    for (const NeuralWeights& weights : fit.networks) sum += NeuralNetwork(weights).lone_effect(channel, 20 * 86400.0);
    return sum / 3;
  };
  CHECK(lone_effect(0) == Approx(0.3).epsilon(0.1));
  CHECK(lone_effect(1) == Approx(0.1).epsilon(0.2));
  CHECK(lone_effect(2) == Approx(0.02).margin(0.02));
  NeuralCredit credit(fit.networks, {0, 1, 2});
  const auto first = [&](const std::vector<std::int64_t>& ages, const std::vector<std::uint32_t>& channels) {
    return neural_shares(credit, ages, channels).front();
  };
  CHECK(first({kOneDay, kOneDay}, {0, 1}) == Approx(0.75).margin(0.07));
  CHECK(first({kOneDay, kOneDay}, {0, 2}) == Approx(0.3 / 0.32).margin(0.07));
  const double old = std::exp(-1.5), recent = std::exp(-0.25);  // after 3 and ½ days
  CHECK(first({3 * kOneDay, kOneDay / 2}, {0, 0}) == Approx(old / (old + recent)).margin(0.07));
  CHECK(first({3 * kOneDay, kOneDay / 2}, {0, 1}) == Approx(3 * old / (3 * old + recent)).margin(0.08));

  // The engine's loss is that of the networks as they stand here, computed anew.
  double sum = 0;
  std::uint64_t held_out = 0;
  for (std::size_t n = 0; n < 3; ++n) {
    const NeuralNetwork network(fit.networks[n]);
    double loss = 0, of = 0;
    for (const Moment& moment : moments) {
      if (moment.fold != n) continue;
      const double logit = network.log_hazard(binned(moment.clicks)) - moment.log_density;
      loss += moment.converts ? std::log1p(std::exp(-logit)) : std::log1p(std::exp(logit));
      ++of;
    }
    REQUIRE(fit.held_out_losses[n].size() == 6);
    CHECK(*std::ranges::min_element(fit.held_out_losses[n]) == Approx(loss / of).epsilon(1e-5));
    sum += loss;
    held_out += static_cast<std::uint64_t>(of);
  }
  CHECK(fit.report.held_out == held_out);
  CHECK(fit.report.held_out_loss == Approx(sum / static_cast<double>(held_out)).epsilon(1e-5));
}

TEST_CASE("neural: the weights are the same for any number of threads and order of users", "[attribution][neural]") {
  const ClickLog log = test::simulate_hazard({0.3, 0.1, 0.02}, 2, 3000, 5);
  const JourneyRule rule = {20 * kOneDay, false, nullptr};
  std::vector<Moment> moments = moments_of(log, rule, 40 * kOneDay, MomentCollector(1, 500, 2000));
  CHECK(moments.size() <= 2500);
  CHECK(moments.size() > 1200);
  NeuralFitOptions options;
  options.epochs = 2;
  options.networks = 2;
  std::vector<NeuralFit> fits;
  for (const int threads : {1, 3}) {
    options.threads = threads;
    fits.push_back(fit_neural(moments, 3, options));
  }
  options.seed = 2;
  fits.push_back(fit_neural(moments, 3, options));
  const auto same = [](NeuralWeights& a, NeuralWeights& b) {
    for (std::size_t t = 0; t < a.tensors(3).size(); ++t)
      if (*a.tensors(3)[t].values != *b.tensors(3)[t].values) return false;
    return a.base == b.base;
  };
  for (std::size_t n = 0; n < 2; ++n) {
    CHECK(fits[0].networks[n].query.size() == NeuralShape::kWidth);
    CHECK(same(fits[0].networks[n], fits[1].networks[n]));
    CHECK_FALSE(same(fits[0].networks[n], fits[2].networks[n]));
  }
  CHECK_FALSE(same(fits[0].networks[0], fits[0].networks[1]));

  // The log in two parts, the later users first.
  MomentCollector collector(1, 500, 2000);
  for (const bool later : {true, false}) {
    ClickLog part;
    for (std::uint32_t click = 0; click < log.size(); ++click) {
      if ((log.group[click] >= 1000) != later) continue;
      part.time.push_back(log.time[click]);
      part.user.push_back(part.users.intern(log.users.name(log.user[click])));
      part.group.push_back(log.group[click]);
      part.channel.push_back(log.channel[click]);
      part.row.push_back(0);
    }
    part.groups = log.groups;
    for (const Conversion& conversion : log.conversions)
      if ((conversion.group >= 1000) == later) part.conversions.push_back(conversion);
    collector.observe(part, order_clicks(part), rule, 40 * kOneDay, log.channels);
  }
  const std::vector<Moment> again = collector.moments(std::vector<std::uint32_t>{0, 1, 2});
  REQUIRE(again.size() == moments.size());
  for (std::size_t m = 0; m < again.size(); ++m) {
    REQUIRE(again[m].clicks == moments[m].clicks);
    REQUIRE(again[m].log_density == moments[m].log_density);
  }
}

}  // namespace mal

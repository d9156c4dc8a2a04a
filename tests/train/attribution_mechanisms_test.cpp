#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <numeric>
#include <set>

#include "engine/error.h"
#include "engine/random.h"
#include "train/attribution/mechanisms.h"
#include "train/attribution/shapley.h"
#include "train/data/time_text.h"

namespace mal {
namespace {

constexpr std::int64_t kAttributionDay = 86400 * kSecond;

// Credits of a journey whose clicks were `days` days after the first.
std::vector<double> credits_of(Mechanism mechanism, const std::vector<double>& days,
                               const std::vector<std::uint32_t>& click_channels = {},
                               const std::vector<double>& values = {}) {
  std::vector<std::int64_t> times;
  for (const double day : days) times.push_back(static_cast<std::int64_t>(day * kAttributionDay));
  std::vector<double> credits(days.size(), -1);
  credit_journey(mechanism, {times, click_channels}, {.channel_values = values}, credits);
  return credits;
}

void check_credits(const std::vector<double>& credits, const std::vector<double>& expected) {
  REQUIRE(credits.size() == expected.size());
  for (std::size_t k = 0; k < credits.size(); ++k) CHECK(credits[k] == Approx(expected[k]).margin(1e-12));
}

TEST_CASE("a journey of one click gives it everything", "[attribution]") {
  for (const Mechanism m : {Mechanism::last, Mechanism::first, Mechanism::linear, Mechanism::time_decay,
                            Mechanism::position, Mechanism::shapley})
    check_credits(credits_of(m, {3}, {0}, {0.2}), {1});
}

TEST_CASE("journeys of two clicks", "[attribution]") {
  check_credits(credits_of(Mechanism::last, {0, 7}), {0, 1});
  check_credits(credits_of(Mechanism::first, {0, 7}), {1, 0});
  check_credits(credits_of(Mechanism::linear, {0, 7}), {0.5, 0.5});
  check_credits(credits_of(Mechanism::time_decay, {0, 7}), {1.0 / 3, 2.0 / 3});  // one half-life apart
  check_credits(credits_of(Mechanism::position, {0, 7}), {0.5, 0.5});
  check_credits(credits_of(Mechanism::shapley, {0, 7}, {1, 0}, {0.3, 0.1}), {0.25, 0.75});
}

TEST_CASE("journeys of three clicks", "[attribution]") {
  check_credits(credits_of(Mechanism::last, {0, 7, 14}), {0, 0, 1});
  check_credits(credits_of(Mechanism::first, {0, 7, 14}), {1, 0, 0});
  check_credits(credits_of(Mechanism::linear, {0, 7, 14}), {1.0 / 3, 1.0 / 3, 1.0 / 3});
  check_credits(credits_of(Mechanism::time_decay, {0, 7, 14}), {1.0 / 7, 2.0 / 7, 4.0 / 7});
  check_credits(credits_of(Mechanism::position, {0, 7, 14}), {0.4, 0.2, 0.4});
  // The middle channel's value is negative: it gets nothing, the others 0.3 : 0.2.
  check_credits(credits_of(Mechanism::shapley, {0, 7, 14}, {0, 1, 2}, {0.3, -0.4, 0.2}), {0.6, 0, 0.4});
}

TEST_CASE("journeys of seven clicks", "[attribution]") {
  const std::vector<double> days = {0, 7, 14, 21, 28, 35, 42};
  check_credits(credits_of(Mechanism::last, days), {0, 0, 0, 0, 0, 0, 1});
  check_credits(credits_of(Mechanism::first, days), {1, 0, 0, 0, 0, 0, 0});
  check_credits(credits_of(Mechanism::linear, days), std::vector<double>(7, 1.0 / 7));
  check_credits(credits_of(Mechanism::time_decay, days),
                {1.0 / 127, 2.0 / 127, 4.0 / 127, 8.0 / 127, 16.0 / 127, 32.0 / 127, 64.0 / 127});
  check_credits(credits_of(Mechanism::position, days), {0.4, 0.04, 0.04, 0.04, 0.04, 0.04, 0.4});
  // Weights 1 0 2 1 0 2 4 of 10.
  check_credits(credits_of(Mechanism::shapley, days, {0, 1, 2, 0, 1, 2, 3}, {0.1, 0.0, 0.2, 0.4}),
                {0.1, 0, 0.2, 0.1, 0, 0.2, 0.4});
}

TEST_CASE("shapley falls back to linear where no channel has a value", "[attribution]") {
  check_credits(credits_of(Mechanism::shapley, {0, 1, 2, 3}, {0, 1, 1, 0}, {-0.1, 0.0}), {0.25, 0.25, 0.25, 0.25});
}

TEST_CASE("credits are never negative and sum to 1", "[attribution]") {
  const Random random(5, "attribution test");
  std::uint64_t draw = 0;
  for (int journey = 0; journey < 300; ++journey) {
    const std::size_t clicks = 1 + random.below(draw++, 200);
    std::vector<double> days;
    std::vector<std::uint32_t> channels;
    for (std::size_t k = 0; k < clicks; ++k) {
      days.push_back(random.uniform(draw++) * 3000);  // 400 half-lives: the first weights underflow to 0
      channels.push_back(static_cast<std::uint32_t>(random.below(draw++, 5)));
    }
    std::sort(days.begin(), days.end());
    for (const Mechanism m : {Mechanism::last, Mechanism::first, Mechanism::linear, Mechanism::time_decay,
                              Mechanism::position, Mechanism::shapley}) {
      const std::vector<double> credits = credits_of(m, days, channels, {0.3, -0.1, 0.0, 1e-9, 5});
      CHECK(std::accumulate(credits.begin(), credits.end(), 0.0) == Approx(1).margin(1e-9));
      CHECK(*std::min_element(credits.begin(), credits.end()) >= 0);
    }
  }
}

// The definition, read literally: the mean over all orders of what each channel adds when it comes.
std::vector<double> shapley_by_orders(std::uint32_t channels,
                                      const std::function<double(const std::set<std::uint32_t>&)>& v) {
  std::vector<std::uint32_t> order(channels);
  std::iota(order.begin(), order.end(), 0U);
  std::vector<double> phi(channels, 0.0);
  double orders = 0;
  do {
    std::set<std::uint32_t> coalition;
    double before = 0;
    for (const std::uint32_t channel : order) {
      coalition.insert(channel);
      const double after = v(coalition);
      phi[channel] += after - before;
      before = after;
    }
    ++orders;
  } while (std::next_permutation(order.begin(), order.end()));
  for (double& value : phi) value /= orders;
  return phi;
}

void add_journeys(CoalitionTable& table, const std::vector<std::uint32_t>& channels, int journeys, int conversions) {
  for (int i = 0; i < journeys; ++i) table.add(channels, i < conversions);
}

TEST_CASE("Shapley values of two channels by hand", "[attribution]") {
  CoalitionTable table(2);
  add_journeys(table, {0}, 100, 10);       // v({0}) = 0.1
  add_journeys(table, {1}, 50, 10);        // v({1}) = 0.2
  add_journeys(table, {1, 0, 1}, 40, 20);  // v({0, 1}) = 0.5, repeats do not matter
  const ShapleyFit fit = fit_shapley(table, {.prior_journeys = 0, .single_prior_journeys = 0});
  CHECK(fit.exact);
  check_credits(fit.values, {0.5 * 0.1 + 0.5 * (0.5 - 0.2), 0.5 * 0.2 + 0.5 * (0.5 - 0.1)});
}

TEST_CASE("Shapley values of four channels agree with the definition", "[attribution]") {
  CoalitionTable table(4);
  add_journeys(table, {0}, 1000, 80);
  add_journeys(table, {1}, 700, 5);
  add_journeys(table, {2}, 30, 3);
  add_journeys(table, {0, 1}, 200, 13);
  add_journeys(table, {0, 2}, 60, 9);
  add_journeys(table, {1, 2, 3}, 20, 1);
  add_journeys(table, {0, 1, 2, 3}, 5, 4);
  const ShapleyOptions options = {.prior_journeys = 50, .single_prior_journeys = 10};
  const auto rate = [](double conversions, double journeys, double prior, double m) {
    return (conversions + m * prior) / (journeys + m);
  };
  const double all = 115.0 / 2015.0;
  const std::vector<double> single = {rate(80, 1000, all, 10), rate(5, 700, all, 10), rate(3, 30, all, 10),
                                      rate(0, 0, all, 10)};
  const auto v = [&](const std::set<std::uint32_t>& s) {
    if (s.size() == 1) return single[*s.begin()];
    double prior = 0;
    for (const std::uint32_t channel : s) prior += single[channel] / static_cast<double>(s.size());
    if (s == std::set<std::uint32_t>{0, 1}) return rate(13, 200, prior, 50);
    if (s == std::set<std::uint32_t>{0, 2}) return rate(9, 60, prior, 50);
    if (s == std::set<std::uint32_t>{1, 2, 3}) return rate(1, 20, prior, 50);
    if (s == std::set<std::uint32_t>{0, 1, 2, 3}) return rate(4, 5, prior, 50);
    return prior;
  };
  check_credits(fit_shapley(table, options).values, shapley_by_orders(4, v));
}

TEST_CASE("sampled Shapley values are near the exact ones and follow the seed", "[attribution]") {
  CoalitionTable table(9);
  const Random random(3, "sampled shapley test");
  for (std::uint64_t i = 0; i < 3000; ++i) {
    std::vector<std::uint32_t> channels;
    for (std::uint64_t k = 0; k <= random.below(i * 16, 4); ++k)
      channels.push_back(static_cast<std::uint32_t>(random.below(i * 16 + k + 1, 9)));
    table.add(channels, random.uniform(i * 16 + 9) < 0.02 * (1 + channels.front()));
  }
  const ShapleyFit exact = fit_shapley(table);
  const ShapleyFit sampled = fit_shapley(table, {.exact_channels = 8});
  CHECK(exact.exact);
  CHECK_FALSE(sampled.exact);
  for (std::size_t c = 0; c < 9; ++c) CHECK(sampled.values[c] == Approx(exact.values[c]).margin(2e-3));
  CHECK(fit_shapley(table, {.exact_channels = 8}).values == sampled.values);
  CHECK(fit_shapley(table, {.exact_channels = 8, .seed = 2}).values != sampled.values);
  // Efficiency: the values share out what all channels together are worth, in either way of computing.
  CHECK(std::accumulate(sampled.values.begin(), sampled.values.end(), 0.0) ==
        Approx(std::accumulate(exact.values.begin(), exact.values.end(), 0.0)).margin(1e-9));
}

TEST_CASE("a channel that lowers the rate of its company gets a negative value", "[attribution]") {
  CoalitionTable table(2);
  add_journeys(table, {0}, 10000, 1000);
  add_journeys(table, {1}, 10000, 10);
  add_journeys(table, {0, 1}, 10000, 400);
  const ShapleyFit fit = fit_shapley(table);
  CHECK(fit.values[0] > 0);
  CHECK(fit.values[1] < 0);
}

TEST_CASE("shrinkage can give a channel that helps a value below 0, by hand", "[attribution]") {
  // Alone 2 and 10 % convert, together 12 %: the first helps. v({0, 1}) leans on the mean of the two, 6 %, by 500
  // journeys: 7 % of 100 journeys, 10 % of 1,000. φ = ½ · 2 % + ½ · (v − 10 %) = −0.5 % and 1 %; 0 at 250 journeys.
  const auto value = [](int journeys, int conversions) {
    CoalitionTable table(2);
    add_journeys(table, {0}, 50000, 1000);
    add_journeys(table, {1}, 50000, 5000);
    if (journeys > 0) add_journeys(table, {0, 1}, journeys, conversions);
    return fit_shapley(table, {.single_prior_journeys = 0}).values[0];
  };
  CHECK(value(100, 12) == Approx(-0.005));
  CHECK(value(250, 30) == Approx(0).margin(1e-12));
  CHECK(value(1000, 120) == Approx(0.01));
  // Never seen together: v({0, 1}) is the mean, and φ = ¾ · 2 % − ¼ · 10 %.
  CHECK(value(0, 0) == Approx(-0.01));
}

TEST_CASE("a fit without any journey is all zeros", "[attribution]") {
  check_credits(fit_shapley(CoalitionTable(3)).values, {0, 0, 0});
  CHECK(fit_shapley(CoalitionTable(0)).values.empty());
}

TEST_CASE("names of mechanisms", "[attribution]") {
  const std::vector<NamedMechanism> named =
      parse_mechanisms(std::vector<std::string>{"last", "mta", "time_decay"}, "shapley");
  REQUIRE(named.size() == 3);
  CHECK(named[1].name == "mta");
  CHECK(named[1].mechanism == Mechanism::shapley);

  const auto error_of = [](std::vector<std::string> names, const char* mta) {
    try {
      parse_mechanisms(names, mta);
    } catch (const Error& error) {
      CHECK(error.exit_code() == 2);
      return std::string(error.what());
    }
    return std::string("no error");
  };
  CHECK(error_of({"linera"}, "shapley").find("did you mean 'linear'") != std::string::npos);
  CHECK(error_of({"last", "last"}, "shapley").find("twice") != std::string::npos);
  CHECK(error_of({}, "shapley").find("no mechanism") != std::string::npos);
  CHECK(error_of({"mta"}, "linear").find("data-driven") != std::string::npos);
  CHECK(error_of({"mta"}, "shaply").find("did you mean 'shapley'") != std::string::npos);
}

}  // namespace
}  // namespace mal

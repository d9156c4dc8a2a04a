// Markov totals: removal effects of a chain of any order, against chains worked out by hand.
#include <algorithm>
#include <catch2/catch.hpp>
#include <numeric>
#include <random>

#include "tests/train/attribution_support.h"
#include "train/attribution/markov_totals.h"

namespace mal {
namespace {

constexpr std::uint32_t kA = 0, kB = 1, kC = 2;

std::vector<std::uint32_t> identity(std::uint32_t channels) {
  std::vector<std::uint32_t> number(channels);
  std::iota(number.begin(), number.end(), 0U);
  return number;
}

// Six journeys: a > b converts (10), b converts (2); b, a, and c > a twice do not.
ChainTable small_chain(std::uint32_t order) {
  WalkChain chain(order);
  chain.add(std::vector{kA, kB}, {1, 0, 10});
  chain.add(std::vector{kB}, {1, 1, 2});
  chain.add(std::vector{kA}, {0, 1, 0});
  chain.add(std::vector{kC, kA}, {0, 2, 0});
  return chain.table(identity(3));
}

ChainTable random_chain(std::uint32_t order, std::uint32_t channels, unsigned seed) {
  std::mt19937 random(seed);
  WalkChain chain(order);
  for (int row = 0; row < 600; ++row) {
    std::vector<std::uint32_t> path(1 + random() % 9);
    for (std::uint32_t& channel : path) channel = static_cast<std::uint32_t>(random() % channels);
    chain.add(path, {random() % 3, random() % 5, static_cast<double>(random() % 1000) / 8});
  }
  return chain.table(identity(channels));
}

}  // namespace

// From the start 1/3 each. c goes to a; a goes to b (1 of 4) or to null; b converts (2 of 3).
// P(conversion) = 1/3 · 1/6 + 1/3 · 2/3 + 1/3 · 1/6 = 1/3, without a 2/9, without b 0, without c 5/18.
TEST_CASE("removal effects of order 1 are those of the chain worked out by hand", "[attribution]") {
  const RemovalEffects effects = removal_effects(small_chain(1));
  const double expected[] = {1.0 / 3, 1, 1.0 / 6};
  for (const std::uint32_t channel : {kA, kB, kC}) {
    CHECK(effects.conversions[channel] == Approx(expected[channel]).margin(1e-14));
    CHECK(effects.value[channel] == Approx(expected[channel]).margin(1e-14));  // both conversions come from b: 6 each
  }
  const std::vector<double> shares = shares_of(effects.conversions);
  CHECK(shares[kA] == Approx(2.0 / 9).margin(1e-14));
  CHECK(shares[kB] == Approx(2.0 / 3).margin(1e-14));
  CHECK(shares[kC] == Approx(1.0 / 9).margin(1e-14));
}

// Order 2 tells c > a from a: start → (a) 1/3 → (a > b) 1/2 → conversion, start → (b) 1/3 → conversion 1/2. So either
// way converts with 1/6; a is in one of the two, b in both, c in none. Values 10 and 2: a brings 10 of 12.
TEST_CASE("removal effects of order 2 are those of the chain worked out by hand", "[attribution]") {
  const ChainTable chain = small_chain(2);
  CHECK(chain.states.size() == 6);  // start, (a), (a > b), (b), (c), (c > a)
  const RemovalEffects effects = removal_effects(chain);
  CHECK(effects.conversions[kA] == Approx(0.5).margin(1e-12));
  CHECK(effects.conversions[kB] == Approx(1).margin(1e-12));
  CHECK(effects.conversions[kC] == 0);
  CHECK(effects.value[kA] == Approx(10.0 / 12).margin(1e-12));
  CHECK(effects.value[kB] == Approx(1).margin(1e-12));
}

TEST_CASE("sweeps over the states and the inverse agree", "[attribution]") {
  for (const unsigned seed : {1U, 2U, 3U}) {
    const ChainTable chain = random_chain(1, 12, seed);
    const RemovalEffects swept = swept_removal_effects(chain), dense = dense_removal_effects(chain);
    for (std::size_t channel = 0; channel < 12; ++channel) {
      CHECK(swept.conversions[channel] == Approx(dense.conversions[channel]).epsilon(1e-12).margin(0));
      CHECK(swept.value[channel] == Approx(dense.value[channel]).epsilon(1e-12).margin(0));
    }
  }
}

// 10^10 journeys of b convert, and two of a > c, worth 3 of 10^10 + 3 together; c > c converts never.
TEST_CASE("the effect of a channel with next to nothing has all its digits", "[attribution]") {
  const std::uint64_t most = 10'000'000'000;
  const auto all = static_cast<double>(most) + 2;
  WalkChain chain(2);
  chain.add(std::vector{kB}, {most, 0, 1e10});
  chain.add(std::vector{kA, kC}, {2, 0, 3});
  chain.add(std::vector{kC, kC}, {0, 5, 0});
  const RemovalEffects effects = removal_effects(chain.table(identity(3)));
  for (const std::uint32_t channel : {kA, kC}) {
    CHECK(effects.conversions[channel] == Approx(2 / all).epsilon(1e-12).margin(0));
    CHECK(effects.value[channel] == Approx(3 / (1e10 + 3)).epsilon(1e-12).margin(0));
  }
  CHECK(effects.conversions[kB] == Approx(1).epsilon(1e-9));
}

TEST_CASE("walks that stay in the chain for a thousand touches are followed to the end", "[attribution]") {
  WalkChain chain(2);
  std::vector<std::uint32_t> circle(1000, kA);
  for (std::size_t k = 1; k < circle.size(); k += 2) circle[k] = kB;
  chain.add(circle, {1, 0, 1});
  chain.add(std::vector{kC, kA}, {1, 2, 1});
  const RemovalEffects effects = removal_effects(chain.table(identity(3)));
  // The circle converts with 1/4 in all, c > a with 1/4; its steps through (a > b) end 1 in 500 times, in conversion.
  CHECK(effects.conversions[kA] == Approx(1).margin(1e-12));
  CHECK(effects.conversions[kB] == Approx(0.5).margin(1e-9));
  CHECK(effects.conversions[kC] == Approx(0.5).margin(1e-9));
}

TEST_CASE("a chain is the same whatever order journeys come in and however channels are numbered", "[attribution]") {
  const std::vector<std::vector<std::uint32_t>> paths = {{kA, kB, kA}, {kB}, {kC, kC, kA}, {kA, kB}, {kC}};
  const std::vector<std::uint32_t> other = {2, 0, 1};  // channel c's number there
  for (const std::uint32_t order : {1U, 2U, 3U}) {
    WalkChain forwards(order), backwards(order);
    for (std::size_t p = 0; p < paths.size(); ++p) {
      forwards.add(paths[p], {p, 2, 0.1 * static_cast<double>(p)});
      const std::size_t q = paths.size() - 1 - p;
      std::vector<std::uint32_t> renamed;
      for (const std::uint32_t channel : paths[q]) renamed.push_back(other[channel]);
      backwards.add(renamed, {q, 2, 0.1 * static_cast<double>(q)});
    }
    const std::vector<std::uint32_t> back = {1, 2, 0};  // other's inverse
    const ChainTable one = forwards.table(identity(3)), two = backwards.table(back);
    REQUIRE(one.states.size() == two.states.size());
    for (std::size_t s = 0; s < one.states.size(); ++s) CHECK(one.states[s].channels == two.states[s].channels);
    CHECK(removal_effects(one).conversions == removal_effects(two).conversions);
    CHECK(removal_effects(one).value == removal_effects(two).value);
  }
}

TEST_CASE("orders that are not possible are refused", "[attribution]") {
  CHECK_THROWS_WITH(check_markov_options({.order = 0}, true), Catch::Matchers::Contains("--markov-order 0: 1 to 10"));
  CHECK_THROWS_WITH(check_markov_options({.order = 11}, true), Catch::Matchers::Contains("--markov-order 11: 1 to 10"));
  CHECK_THROWS_WITH(check_markov_options({.order = 2, .choose_up_to = 3}, true),
                    Catch::Matchers::Contains("exclude each other"));
  CHECK_THROWS_WITH(check_markov_options({.order = 2}, false), Catch::Matchers::Contains("add markov to --mechanisms"));
  CHECK_NOTHROW(check_markov_options({}, false));
}

}  // namespace mal

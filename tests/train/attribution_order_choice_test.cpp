// The choice of a Markov chain's order: journeys held out, and how many alike are dealt.
#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "train/attribution/order_choice.h"

namespace mal {

TEST_CASE("an order is chosen by journeys held out", "[attribution]") {
  const std::uint64_t x = OrderChoice::channel_key("x"), y = OrderChoice::channel_key("y");
  OrderChoice choice(3);
  // The last channel alone says nothing, the last two say much.
  for (const std::uint64_t first : {x, y})
    for (const std::uint64_t last : {x, y}) {
      const std::vector<std::uint64_t> keys = {first, last};
      const std::uint64_t conversions = first == last ? 400 : 100;
      choice.add(keys, OrderChoice::dealt(conversions, 1), OrderChoice::dealt(500 - conversions, 2));
    }
  const std::vector<OrderScore> scores = choice.scores();
  REQUIRE(scores.size() == 3);
  CHECK(scores[0].states == 2);
  CHECK(scores[1].states == 4);
  CHECK(scores[0].auc == Approx(0.5).margin(0.05));
  // Rates 0.8 and 0.2, as many journeys of each: 0.8 · 0.8 of the pairs in order, 2 · 0.8 · 0.2 ties.
  CHECK(scores[1].auc == Approx(0.8).margin(0.02));
  CHECK(OrderChoice::best(scores) == 2);

  const OrderChoice::Counts dealt = OrderChoice::dealt(123457, 5);
  CHECK(std::accumulate(dealt.begin(), dealt.end(), std::uint64_t{0}) == 123457);
  CHECK(*std::ranges::min_element(dealt) > 24000);
}

TEST_CASE("many journeys of a path are dealt as unevenly as chance would", "[attribution]") {
  for (const std::uint64_t count : {9'000ULL, 100'000'000ULL}) {
    const auto all = static_cast<double>(count);
    std::array<double, OrderChoice::kFolds> sums = {}, squares = {};
    for (std::uint64_t hash = 0; hash < 400; ++hash) {
      const OrderChoice::Counts dealt = OrderChoice::dealt(count, hash);
      CHECK(std::accumulate(dealt.begin(), dealt.end(), std::uint64_t{0}) == count);
      for (std::size_t f = 0; f < dealt.size(); ++f) {
        const double off = static_cast<double>(dealt[f]) - all / 5;
        sums[f] += off;
        squares[f] += off * off;
      }
    }
    const double variance = all * 0.2 * 0.8;  // of a fold's number; the error of one measured 400 times is 7 %
    for (std::size_t f = 0; f < sums.size(); ++f) {
      CHECK(std::abs(sums[f] / 400) < 4 * std::sqrt(variance / 400));
      CHECK(squares[f] / 400 == Approx(variance).epsilon(0.25));
    }
  }
}

// The last channel alone counts, and 600 million journeys say so. Were they dealt evenly, each fold would know what is
// chance in the others, and order 3 would be chosen every time.
TEST_CASE("of many journeys no larger order is chosen than there is to see", "[attribution]") {
  constexpr std::array<std::uint64_t, 4> kPaths = {1, 3, 9, 27};  // of three channels, by length
  constexpr std::array<double, 3> kRate = {0.1, 0.3, 0.6};        // by the last channel
  std::mt19937 random(1);
  std::normal_distribution<double> normal;
  int first = 0;
  for (int world = 0; world < 20; ++world) {
    OrderChoice choice(3);
    for (std::size_t length = 1; length <= 3; ++length)
      for (std::uint64_t path = 0; path < kPaths[length]; ++path) {
        std::vector<std::uint64_t> keys(length);  // the last channel is the last digit in base 3
        for (std::size_t k = length, rest = path; k-- > 0; rest /= 3)
          keys[k] = OrderChoice::channel_key(std::to_string(rest % 3));
        const double all = std::round(2e8 / static_cast<double>(kPaths[length])), rate = kRate[path % 3];
        const double won = std::round(all * rate + std::sqrt(all * rate * (1 - rate)) * normal(random));
        choice.add(keys, OrderChoice::dealt(static_cast<std::uint64_t>(won), OrderChoice::journey_hash(keys, true)),
                   OrderChoice::dealt(static_cast<std::uint64_t>(all - won), OrderChoice::journey_hash(keys, false)));
      }
    if (OrderChoice::best(choice.scores()) == 1) ++first;
  }
  CHECK(first >= 12);
}

}  // namespace mal

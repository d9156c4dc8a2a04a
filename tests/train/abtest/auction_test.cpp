#include <array>
#include <catch2/catch.hpp>
#include <vector>

#include "train/abtest/auction.h"
#include "train/abtest/pacing.h"
#include "train/abtest/split.h"

namespace mal {
namespace {

TEST_CASE("the largest bid times click probability wins and pays the second price", "[abtest]") {
  // Products 0.2, 0.3 and 0.24: the second wins and pays 0.24 / 0.1.
  const std::vector<Bid> bids = {{1, 0.2}, {3, 0.1}, {2, 0.12}};
  const auto sale = hold_auction(bids, 0.5);
  REQUIRE(sale);
  CHECK(sale->winner == 1);
  CHECK(sale->price == Approx(2.4));
}

TEST_CASE("an auction keeps its reserve, and to the bid", "[abtest]") {
  const std::vector<Bid> bids = {{1, 0.2}, {3, 0.1}};
  CHECK(hold_auction(bids, 2.5)->price == 2.5);          // the first bid is below the reserve
  CHECK(hold_auction(bids, 2.0)->price == 2.0);          // of its 0.2 too
  CHECK(hold_auction(bids, 0.0)->price == Approx(2.0));  // 0.2 / 0.1
  CHECK_FALSE(hold_auction(bids, 3.1));
  CHECK_FALSE(hold_auction({}, 0));
  CHECK_FALSE(hold_auction(std::vector<Bid>{{0, 0.5}}, 0));  // out of budget
  const std::vector<Bid> equal = {{0.7, 0.1}, {0.7, 0.1}};
  CHECK(hold_auction(equal, 0)->winner == 0);
  CHECK(hold_auction(equal, 0)->price <= 0.7);
}

TEST_CASE("pacing stops at the budget and starts again the next day", "[abtest]") {
  const std::vector<double> hours(24, 1.0);
  Pacing pacing({24.0, 24.0, 24.0}, hours, 60);
  CHECK(pacing.intervals_per_day() == 24);
  // The first spends its all at once, the second what is planned, the third nothing.
  pacing.close_interval(std::vector<double>{30.0, 1.0, 0.0});
  CHECK(pacing.multiplier(0) == 0);
  CHECK(pacing.multiplier(1) == 1);
  CHECK(pacing.multiplier(2) == 1);
  for (int i = 1; i < 24; ++i) {
    CHECK(pacing.multiplier(0) == 0);
    pacing.close_interval(std::vector<double>{0.0, 1.0, 0.0});
  }
  CHECK(pacing.multiplier(0) > 0);
  CHECK(pacing.multiplier(0) < 1);  // slower than before
  CHECK(pacing.bound_days(0) == 1);
  CHECK(pacing.bound_days(1) == 1);
  CHECK(pacing.bound_days(2) == 0);
  CHECK(pacing.spent_today()[0] == 0);
}

TEST_CASE("who spends twice the plan is slowed down to about the plan", "[abtest]") {
  const std::vector<double> hours(24, 1.0);
  Pacing pacing({24.0}, hours, 60);
  double spent = 0;
  for (int day = 0; day < 3; ++day) {
    spent = 0;
    for (int i = 0; i < 24; ++i) {
      const double now = 2.0 * pacing.multiplier(0);  // demand is in proportion to the multiplier
      spent += now;
      pacing.close_interval(std::vector<double>{now});
    }
  }
  CHECK(spent <= 24.0 + 2.0);
  CHECK(spent >= 0.8 * 24.0);
}

TEST_CASE("the split is balanced, stable and another for another salt", "[abtest]") {
  const auto groups = split_users(30000, 1, 3);
  std::array<int, 3> sizes{};
  for (const std::uint8_t group : groups) ++sizes.at(group);
  for (const int size : sizes) CHECK(std::abs(size - 10000) < 400);  // 5 standard deviations
  const auto fewer = split_users(1000, 1, 3), other = split_users(30000, 2, 3);
  CHECK(std::equal(fewer.begin(), fewer.end(), groups.begin()));
  int same = 0;
  for (std::size_t u = 0; u < groups.size(); ++u) same += groups[u] == other[u] ? 1 : 0;
  CHECK(std::abs(same - 10000) < 400);
}

}  // namespace
}  // namespace mal

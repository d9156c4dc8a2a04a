// One arm for some or all of the users, with their share of every budget: the days of the test.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "train/abtest/arm.h"
#include "train/abtest/market.h"
#include "train/abtest/visitor.h"
#include "train/abtest/warm_up.h"

namespace mal {

// What the users of one or more cells did, by user; of users in none of them, zeros.
struct ArmOutcome {
  explicit ArmOutcome(const World& world, std::size_t count)
      : industries(world.parameters.industries.size()), users(count), by_industry(count * industries) {}

  std::size_t industries;
  std::vector<Outcome> users;
  std::vector<IndustryOutcome> by_industry;  // [user][industry]
  std::array<double, 24> spend_by_hour{};
  double budget = 0;                     // of all days and cells
  double overspent = 0, spent_late = 0;  // pacing.h
  std::uint64_t places = 0, unsold = 0;
  std::uint64_t advertiser_days = 0, bound_days = 0;  // those on which 90 % of the budget was spent
  Bidder::Counts counts;
};

struct TestRun {
  const WarmUp& warm;
  const Market& market;
  TestPeriod period;
  TestDraws draws;
  int threads;
  std::function<void(std::uint64_t sessions)> progress;  // sessions done; empty: not wanted
};

// users: of the cell, in rising order. Within an interval of the pacing users do not influence each other: they run in
// parallel, and what they spent is summed in the order of users. The same for every number of threads.
void run_cell(const TestRun& run, const Arm& arm, std::span<const std::uint32_t> users, ArmOutcome& outcome);

}  // namespace mal

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>

#include "engine/error.h"
#include "train/abtest/abtest_report.h"

namespace mal {
namespace {

AbtestOptions small_test() {
  AbtestOptions options;
  options.arms = {{"average", "average"}, {"oracle", "oracle"}};
  options.users = 600;
  options.from_day = 10;
  options.days = 2;
  options.threads = 2;
  options.progress = false;
  return options;
}

double change_of(const AbtestResult& result, std::string_view measure) {
  for (std::size_t m = 0; m < measures().size(); ++m)
    if (measures()[m].name == measure) return pooled_effect(result, 1, m).change;
  throw std::runtime_error("no such measure");
}

TEST_CASE("an online test is the same for every number of threads", "[abtest]") {
  AbtestOptions options = small_test();
  options.users = 300;
  const auto run = [&](int threads, Design design) {
    options.threads = threads;
    options.design = design;
    return abtest_json(options, run_abtest(options));
  };
  const std::string one = run(1, Design::paired);
  CHECK(one.size() > 2000);
  CHECK(run(3, Design::paired) == one);
  const std::string plain = run(1, Design::plain);
  CHECK(run(3, Design::plain) == plain);
  CHECK(plain != one);
}

TEST_CASE("paired: other arms do not change what two arms do", "[abtest]") {
  AbtestOptions options = small_test();
  options.users = 300;
  const AbtestResult two = run_abtest(options);
  options.arms.push_back({"third", "average"});
  const AbtestResult three = run_abtest(options);
  for (std::size_t a = 0; a < 2; ++a) {
    CHECK(three.seeds.front().arms[a].sum.spend == two.seeds.front().arms[a].sum.spend);
    CHECK(three.seeds.front().arms[a].sum.orders == two.seeds.front().arms[a].sum.orders);
  }
  CHECK(three.seeds.front().arms[2].sum.spend == two.seeds.front().arms[0].sum.spend);
  CHECK(two.seeds.front().arms[0].users == 300);
}

TEST_CASE("who bids with the truth beats who bids with an average", "[abtest]") {
  const AbtestResult result = run_abtest(small_test());
  const std::vector<ArmTotals>& arms = result.seeds.front().arms;
  for (const ArmTotals& arm : arms) {
    CHECK(arm.sum.clicks > 500);
    CHECK(arm.sum.spend > 0);
    CHECK(arm.sum.orders > 10);
    // The counts are what the hazard says, within what luck does: a Poisson number's deviation.
    CHECK(std::abs(arm.sum.orders - arm.sum.expected_orders) < 4 * std::sqrt(arm.sum.expected_orders));
    CHECK(arm.sum.caused_orders < arm.sum.expected_orders);  // some would have come anyway
    CHECK(arm.sum.caused_orders > 0);
    double spend = 0, hours = 0;
    for (const IndustryOutcome& industry : arm.industries) spend += static_cast<double>(industry.spend);
    for (const double hour : arm.spend_by_hour) hours += hour;
    CHECK(spend == Approx(arm.sum.spend).epsilon(1e-4));
    CHECK(hours == Approx(arm.sum.spend));
  }
  CHECK(change_of(result, "caused_gmv") > 5);
  CHECK(change_of(result, "caused_orders") > 10);
  // Its mean on the log is the rate at which clicks cause conversions.
  CHECK(arms[1].log.auc.value() > 0.7);
  CHECK(arms[0].log.predicted == Approx(arms[0].log.converted).epsilon(0.1));
}

TEST_CASE("an arm that predicts too little buys cheaply; calibration online takes that away", "[abtest]") {
  AbtestOptions options = small_test();
  const AbtestResult raw = run_abtest(options);
  options.calibration = ArmCalibration::online;
  const AbtestResult online = run_abtest(options);
  const auto pcoc = [](const AbtestResult& result, std::size_t arm) {
    const Outcome& sum = result.seeds.front().arms[arm].sum;
    return sum.predicted / sum.expected_orders;
  };
  CHECK(pcoc(raw, 0) < 0.8);  // the ads that win suit their users better than the average
  CHECK(pcoc(online, 0) == Approx(1).epsilon(0.05));
  CHECK(pcoc(online, 1) == Approx(1).epsilon(0.05));
  CHECK(online.seeds.front().arms[0].sum.spend > 1.2 * raw.seeds.front().arms[0].sum.spend);
  // At equal calibration the truth sells more, and more for the money.
  CHECK(change_of(online, "expected_gmv") > 5);
  CHECK(change_of(online, "expected_roi") > 5);
  CHECK(change_of(raw, "expected_roi") < change_of(online, "expected_roi"));
}

TEST_CASE("an arm against itself: paired, there is no difference; a split finds few", "[abtest]") {
  AbtestOptions options = small_test();
  options.arms = {{"oracle", "oracle"}, {"again", "oracle"}};
  const AbtestResult twice = run_abtest(options);
  CHECK(change_of(twice, "gmv") == Approx(0).margin(1e-9));
  CHECK(change_of(twice, "spend") == Approx(0).margin(1e-9));

  options.arms.resize(1);
  options.aa = 40;
  options.users = 400;
  options.days = 1;
  const AbtestResult aa = run_abtest(options);
  CHECK(aa.aa->tests == 40);
  for (const int alarms : aa.aa->alarms) CHECK(alarms <= largest_chance_share(40) * 40);
}

TEST_CASE("no budget is overspent by more than one interval", "[abtest]") {
  const WarmUp warm = warm_up(2, default_world(), 400, 10, 2, false);
  Market market = make_market(warm.world, warm.clicks_a_day, warm.rates);
  for (double& budget : market.budgets) budget /= 20;
  const Arm arm({"average", "average"}, warm.world, warm.rates, "");
  const TestPeriod period = {10, 1};
  std::vector<std::uint32_t> users(400);
  std::iota(users.begin(), users.end(), 0U);
  const auto spend_with = [&](double budget_factor) {
    Market scaled = market;
    for (double& budget : scaled.budgets) budget *= budget_factor;
    const TestRun run = {warm, scaled, period, TestDraws(2, 10, 1), 2, {}};
    ArmOutcome outcome(warm.world, 400);
    run_cell(run, arm, users, outcome);
    Outcome sum;
    for (const Outcome& user : outcome.users) sum += user;
    CHECK(outcome.spent_late == 0);
    CHECK(sum.spend - outcome.overspent <= outcome.budget);
    return std::tuple(sum, outcome.budget, outcome.bound_days);
  };
  const auto [tight, tight_budget, tight_bound] = spend_with(1);
  const auto [loose, loose_budget, loose_bound] = spend_with(1000);
  CHECK(tight.spend < 0.8 * loose.spend);
  CHECK(tight_bound > loose_bound);
  CHECK(loose_bound == 0);
  CHECK(loose_budget == Approx(1000 * tight_budget));
  CHECK(tight_budget == Approx(std::accumulate(market.budgets.begin(), market.budgets.end(), 0.0)));
  // A quarter of the users has a quarter of the money.
  const TestRun run = {warm, market, period, TestDraws(2, 10, 1), 2, {}};
  ArmOutcome quarter(warm.world, 400);
  run_cell(run, arm, std::span(users).first(100), quarter);
  CHECK(quarter.budget == Approx(tight_budget / 4));
}

TEST_CASE("orders follow the hazard where clicks pile up on few advertisers", "[abtest]") {
  WorldParameters parameters = default_world();
  parameters.ads.advertisers = 1;
  parameters.clicks.returns = 5;
  parameters.auction.budget = 1000;
  for (Industry& industry : parameters.industries) industry.conversion *= 10;
  const WarmUp warm = warm_up(2, parameters, 600, 10, 2, false);
  const Market market = make_market(warm.world, warm.clicks_a_day, warm.rates);
  const Arm arm({"average", "average"}, warm.world, warm.rates, "");
  std::vector<std::uint32_t> users(600);
  std::iota(users.begin(), users.end(), 0U);
  const TestRun run = {warm, market, {10, 4}, TestDraws(2, 10, 4), 2, {}};
  ArmOutcome outcome(warm.world, 600);
  run_cell(run, arm, users, outcome);
  Outcome sum;
  for (const Outcome& user : outcome.users) sum += user;
  CHECK(sum.orders > 500);
  // Orders less the integrated hazard are a martingale: their variance is the integral.
  CHECK(std::abs(sum.orders - sum.expected_orders) < 4 * std::sqrt(sum.expected_orders));
  CHECK(sum.gmv == Approx(sum.expected_gmv).epsilon(0.25));
}

TEST_CASE("a note says where budgets are too small to bind", "[abtest]") {
  const AbtestOptions options = small_test();
  AbtestResult result = run_abtest(options);
  const char* note = "what oracle spent was beyond the budgets";
  ArmTotals& oracle = result.seeds.front().arms[1];
  CHECK(oracle.overspent > 0.1 * oracle.sum.spend);  // 600 users: less than a click a day for most advertisers
  CHECK(abtest_text(options, result).find(note) != std::string::npos);
  oracle.overspent = 0.09 * oracle.sum.spend;
  CHECK(abtest_text(options, result).find(note) == std::string::npos);
}

TEST_CASE("arms and options that cannot be", "[abtest]") {
  CHECK_THROWS_AS(parse_arm("base"), Error);
  CHECK_THROWS_AS(parse_arm("=x"), Error);
  CHECK(parse_arm("a=b=c").source == "b=c");
  const auto refused = [](auto change) {
    AbtestOptions options = small_test();
    change(options);
    CHECK_THROWS_AS(run_abtest(options), Error);
  };
  refused([](AbtestOptions& o) { o.arms.pop_back(); });
  refused([](AbtestOptions& o) { o.arms[1].name = o.arms[0].name; });
  refused([](AbtestOptions& o) { o.arms[1].source = "nowhere"; });
  refused([](AbtestOptions& o) { o.from_day = 3; });
  refused([](AbtestOptions& o) { o.days = 0; });
  refused([](AbtestOptions& o) { o.world = "no such world"; });
  refused([](AbtestOptions& o) { o.users = 1; });
  refused([](AbtestOptions& o) { o.seeds = {5, 6, 5}; });
}

}  // namespace
}  // namespace mal

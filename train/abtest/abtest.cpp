#include "train/abtest/abtest.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <numeric>
#include <set>

#include "engine/error.h"
#include "train/abtest/split.h"
#include "train/config/progress.h"
#include "train/simulate/world_file.h"

namespace mal {

namespace {

constexpr std::size_t kShownMeasures = 3;  // gmv, orders, roi come first

void check_options(const AbtestOptions& o) {
  if (o.arms.empty() || o.arms.size() > 8)
    fail_usage("{} arms: give --arm NAME=SOURCE one to eight times", o.arms.size());
  if (o.aa == 0 && o.arms.size() < 2)
    fail_usage("one arm has nothing to be compared with: give a second --arm, or --aa N");
  if (o.aa > 0 && o.arms.size() > 1)
    fail_usage("--aa tests an arm against itself, and there are {}: give one --arm", o.arms.size());
  std::set<std::string> names;
  for (const ArmSpec& arm : o.arms)
    if (!names.insert(arm.name).second)
      fail_usage("--arm {}={}: two arms are called {}", arm.name, arm.source, arm.name);
  if (o.users < 2 || o.users > 50'000'000) fail_usage("--users {}: 2 to 50000000 are possible", o.users);
  if (o.from_day < kCalibrationDays || o.from_day > 3650)
    fail_usage("--from-day {}: {} to 3650 are possible", o.from_day, kCalibrationDays);
  if (o.days < 1 || o.days > 365) fail_usage("--days {}: 1 to 365 are possible", o.days);
  if (o.threads < 0 || o.threads > 1024) fail_usage("--threads {}: 0 (one a core) to 1024 are possible", o.threads);
  if (o.aa < 0 || o.aa > 100'000) fail_usage("--aa {}: 1 to 100000 are possible", o.aa);
  if (o.seeds.empty()) fail_usage("--seeds: at least one is needed");
  std::set<std::uint64_t> seeds;
  for (const std::uint64_t seed : o.seeds)
    if (!seeds.insert(seed).second)
      fail_usage("--seeds: {0} is there twice, and would count as two platforms; give each seed once", seed);
}

std::string with_seed(std::string text, std::uint64_t seed) {
  constexpr std::string_view kWhere = "{seed}";
  for (std::size_t at = text.find(kWhere); at != std::string::npos; at = text.find(kWhere))
    text.replace(at, kWhere.size(), std::to_string(seed));
  return text;
}

// A run that is missing for the last seed is not to cost the tests of those before it.
void check_sources(const AbtestOptions& o) {
  for (const std::uint64_t seed : o.seeds)
    for (const ArmSpec& arm : o.arms) ArmSpec{arm.name, with_seed(arm.source, seed)}.check_exists();
}

// Everything of one seed before the first day of the test.
struct Prepared {
  WarmUp warm;
  Market market;
  std::vector<Arm> arms;
  std::vector<LogCheck> checks;
};

void prepare(Prepared& platform, const AbtestOptions& options, const WorldParameters& parameters, std::uint64_t seed) {
  platform.warm = warm_up(seed, parameters, options.users, options.from_day, options.threads, options.progress);
  const WarmUp& warm = platform.warm;
  if (warm.world.advertisers.size() >= 1U << 24U)
    fail("{} advertisers: below {} are possible in an online test", warm.world.advertisers.size(), 1U << 24U);
  platform.market = make_market(warm.world, warm.clicks_a_day, warm.rates);
  platform.arms.reserve(options.arms.size());
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::temp_directory_path(error);
  if (error)
    fail("no folder for temporary files: {}; runs are exported there, set TMPDIR to a folder", error.message());
  for (std::size_t a = 0; a < options.arms.size(); ++a) {
    const std::string file = (folder / fmt::format("mal_abtest_{}_{}.mal", ::getpid(), a)).string();
    Arm& arm = platform.arms.emplace_back(ArmSpec{options.arms[a].name, with_seed(options.arms[a].source, seed)},
                                          warm.world, warm.rates, file);
    platform.checks.push_back(check_on_log(arm, warm, options.threads));
    judge(platform.checks.back(), arm.spec());
    if (options.calibration == ArmCalibration::log) arm.factor = platform.checks.back().factor();
  }
}

std::vector<std::vector<std::uint32_t>> members_of(std::span<const std::uint8_t> groups, std::size_t count) {
  std::vector<std::vector<std::uint32_t>> members(count);
  for (std::uint32_t user = 0; user < groups.size(); ++user) members[groups[user]].push_back(user);
  return members;
}

// One test of arms that are pointed to: the same one twice is an A/A test.
struct TestOutcome {
  std::vector<ArmOutcome> arms;
  std::vector<std::vector<std::uint32_t>> users;  // of each arm, in rising order
};

TestOutcome run_test(const TestRun& run, std::span<const Arm* const> arms, Design design, std::uint64_t salt) {
  const auto users = static_cast<std::uint32_t>(run.warm.states.size());
  TestOutcome outcome;
  if (design == Design::plain) {
    outcome.users = members_of(split_users(users, salt, arms.size()), arms.size());
  } else {
    std::vector<std::uint32_t> all(users);
    std::iota(all.begin(), all.end(), 0U);
    outcome.users.assign(arms.size(), all);
  }
  for (std::size_t a = 0; a < arms.size(); ++a)
    run_cell(run, *arms[a], outcome.users[a], outcome.arms.emplace_back(run.warm.world, users));
  return outcome;
}

LogRatio effect(const TestOutcome& test, std::size_t a, std::size_t b, Fraction (*of)(const Outcome&)) {
  const auto reader = [&, of](std::size_t arm) {
    return [&users = test.arms[arm].users, of](std::size_t user) { return of(users[user]); };
  };
  return log_ratio(reader(a), test.users[a], reader(b), test.users[b]);
}

LogRatio industry_effect(const TestOutcome& test, std::size_t a, std::size_t b, std::size_t industry,
                         Fraction (*of)(const Outcome&)) {
  const auto reader = [&, of](std::size_t arm) {
    return [&outcome = test.arms[arm], of, industry](std::size_t user) {
      const IndustryOutcome& one = outcome.by_industry[user * outcome.industries + industry];
      Outcome sums;
      sums.orders = static_cast<double>(one.orders);
      sums.gmv = static_cast<double>(one.gmv);
      sums.spend = static_cast<double>(one.spend);
      return of(sums);
    };
  };
  return log_ratio(reader(a), test.users[a], reader(b), test.users[b]);
}

ArmTotals totals_of(const Arm& arm, const ArmOutcome& outcome, std::size_t users, const LogCheck& check) {
  ArmTotals totals;
  totals.name = arm.spec().name;
  totals.source = arm.spec().source;
  totals.users = static_cast<double>(users);
  std::vector<std::array<double, 3>> sums(outcome.industries);
  for (const Outcome& user : outcome.users) totals.sum += user;
  for (std::size_t i = 0; i < outcome.by_industry.size(); ++i) {
    const IndustryOutcome& one = outcome.by_industry[i];
    std::array<double, 3>& sum = sums[i % outcome.industries];
    sum[0] += static_cast<double>(one.orders);
    sum[1] += static_cast<double>(one.gmv);
    sum[2] += static_cast<double>(one.spend);
  }
  for (const auto& sum : sums)
    totals.industries.push_back({static_cast<float>(sum[0]), static_cast<float>(sum[1]), static_cast<float>(sum[2])});
  totals.spend_by_hour = outcome.spend_by_hour;
  totals.budget = outcome.budget;
  totals.overspent = outcome.overspent;
  totals.places = outcome.places, totals.unsold = outcome.unsold;
  totals.advertiser_days = outcome.advertiser_days, totals.bound_days = outcome.bound_days;
  totals.counts = outcome.counts;
  totals.log = check;
  totals.factor = arm.factor;
  return totals;
}

SeedResult compare(const Prepared& platform, const TestOutcome& test) {
  SeedResult result;
  result.log_clicks = platform.warm.clicks;
  result.log_conversions = platform.warm.conversions;
  for (std::size_t a = 0; a < platform.arms.size(); ++a)
    result.arms.push_back(totals_of(platform.arms[a], test.arms[a], test.users[a].size(), platform.checks[a]));
  for (std::size_t a = 1; a < platform.arms.size(); ++a) {
    std::vector<LogRatio>& effects = result.effects.emplace_back();
    for (const Measure& measure : measures()) effects.push_back(effect(test, a, 0, measure.of));
    auto& industries = result.by_industry.emplace_back(test.arms[0].industries);
    for (std::size_t i = 0; i < industries.size(); ++i)
      for (std::size_t m = 0; m < kShownMeasures; ++m)
        industries[i][m] = industry_effect(test, a, 0, i, measures()[m].of);
  }
  return result;
}

// The first users are as good as any: they are all drawn alike. The same ones for every arm.
std::size_t pilot_users(std::size_t users) {
  return std::min(users, std::max<std::size_t>(2000, users / 4));
}

void calibrate_online(const TestRun& run, Arm& arm) {
  std::vector<std::uint32_t> users(pilot_users(run.warm.states.size()));
  std::iota(users.begin(), users.end(), 0U);
  ArmOutcome pilot(run.warm.world, run.warm.states.size());
  run_cell(run, arm, users, pilot);
  Outcome sum;
  for (const Outcome& user : pilot.users) sum += user;
  if (sum.predicted > 0 && sum.expected_orders > 0) arm.factor = sum.expected_orders / sum.predicted;
}

// Tests of an arm against itself, each with a split of its own: how many find a difference that is none.
void add_aa(const TestRun& run, const Prepared& platform, const AbtestOptions& options, AaResult& result) {
  const std::array<const Arm*, 2> arms = {platform.arms.data(), platform.arms.data()};
  for (int i = 0; i < options.aa; ++i) {
    const TestOutcome test = run_test(run, arms, Design::plain, options.salt + static_cast<std::uint64_t>(i));
    for (std::size_t m = 0; m < kShownMeasures; ++m) {
      const LogRatio ratio = effect(test, 1, 0, measures()[m].of);
      const Effect found = effect_of({&ratio, 1});
      result.alarms[m] += found.clear() ? 1 : 0;
      result.mean_half_width[m] += (found.high - found.low) / 2;
    }
    ++result.tests;
  }
}

// Sessions of the first users, on all days.
std::uint64_t count_sessions(const TestRun& run, std::size_t users) {
  std::uint64_t count = 0;
  std::vector<Session> sessions;
  for (int day = 0; day < run.period.days; ++day) {
    for (std::uint32_t user = 0; user < users; ++user) {
      add_sessions(run.warm.world, run.period, run.draws, run.warm.states[user], user, day, sessions);
      count += sessions.size();
      sessions.clear();
    }
  }
  return count;
}

}  // namespace

const std::vector<Measure>& measures() {
  static const std::vector<Measure> kMeasures = {
      {"gmv", "value of orders, a user",
       [](const Outcome& o) {
         return Fraction{o.gmv, 1};
       },
       2.7, false},
      {"orders", "a user",
       [](const Outcome& o) {
         return Fraction{o.orders, 1};
       },
       1.2, false},
      {"roi", "GMV over spend",
       [](const Outcome& o) {
         return Fraction{o.gmv, o.spend};
       },
       2.6, false},
      {"spend", "a user",
       [](const Outcome& o) {
         return Fraction{o.spend, 1};
       },
       std::nullopt, false},
      {"clicks", "a user",
       [](const Outcome& o) {
         return Fraction{o.clicks, 1};
       },
       std::nullopt, false},
      {"orders_per_spend", "orders over spend",
       [](const Outcome& o) {
         return Fraction{o.orders, o.spend};
       },
       std::nullopt, false},
      {"expected_gmv", "GMV without the luck of the draws",
       [](const Outcome& o) {
         return Fraction{o.expected_gmv, 1};
       },
       std::nullopt, true},
      {"expected_orders", "orders without it",
       [](const Outcome& o) {
         return Fraction{o.expected_orders, 1};
       },
       std::nullopt, true},
      {"expected_roi", "ROI without it",
       [](const Outcome& o) {
         return Fraction{o.expected_gmv, o.spend};
       },
       std::nullopt, true},
      {"caused_gmv", "GMV that the test's ads caused",
       [](const Outcome& o) {
         return Fraction{o.caused_gmv, 1};
       },
       std::nullopt, true},
      {"caused_orders", "orders that they caused",
       [](const Outcome& o) {
         return Fraction{o.caused_orders, 1};
       },
       std::nullopt, true},
      {"caused_roi", "caused GMV over spend",
       [](const Outcome& o) {
         return Fraction{o.caused_gmv, o.spend};
       },
       std::nullopt, true},
  };
  return kMeasures;
}

AbtestResult run_abtest(const AbtestOptions& options) {
  check_options(options);
  check_sources(options);
  const WorldParameters parameters = read_world(options.world);
  const auto begin = std::chrono::steady_clock::now();
  AbtestResult result;
  for (const Industry& industry : parameters.industries) result.industries.push_back(industry.name);
  if (options.aa > 0) result.aa = AaResult{};
  for (const std::uint64_t seed : options.seeds) {
    Prepared platform;
    prepare(platform, options, parameters, seed);
    const TestPeriod period = {options.from_day, options.days};
    TestRun run = {
        platform.warm, platform.market, period, TestDraws(seed, period.first_day, period.days), options.threads, {}};
    // Each A/A test serves all users once; `paired` serves them once per arm.
    const bool pilot = options.calibration == ArmCalibration::online;
    const std::uint64_t rounds = options.aa > 0                     ? static_cast<std::uint64_t>(options.aa)
                                 : options.design == Design::paired ? platform.arms.size()
                                                                    : 1;
    std::uint64_t sessions = count_sessions(run, options.users) * rounds;
    if (pilot) sessions += count_sessions(run, pilot_users(options.users)) * platform.arms.size();
    Progress progress(options.aa > 0 ? "A/A tests, sessions" : "online test, sessions", sessions);
    std::uint64_t done = 0;
    if (options.progress) run.progress = [&](std::uint64_t more) { progress.update(done += more); };
    if (pilot)
      for (Arm& arm : platform.arms) calibrate_online(run, arm);
    if (options.aa > 0) {
      add_aa(run, platform, options, *result.aa);
    } else {
      std::vector<const Arm*> arms;
      for (const Arm& arm : platform.arms) arms.push_back(&arm);
      result.seeds.push_back(compare(platform, run_test(run, arms, options.design, options.salt)));
      result.seeds.back().seed = seed;
    }
    if (options.progress) progress.finish();
  }
  if (result.aa)
    for (double& width : result.aa->mean_half_width) width /= result.aa->tests;
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return result;
}

}  // namespace mal

// A simulated online test: arms that bid with different models, for the users of a simulated platform.
// docs/online-test.md has the model in words and formulas.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "train/abtest/cell.h"
#include "train/abtest/effect.h"
#include "train/abtest/log_check.h"

namespace mal {

// plain: each user is in one arm, which has its users' share of the budgets. paired: each arm serves all users with all
// of the budgets, in a world of its own with the same draws, so that each user is compared with himself.
enum class Design { paired, plain };

// What multiplies every probability of an arm. raw: nothing. log: what brings its mean to the rate of the clicks of the
// log's last days. online: what brings its mean to the rate of the clicks that it wins, as a pilot of the same days
// with the first users and `raw` finds it. An arm that predicts too little bids too little and has a better ROI for it;
// only `online` takes that away.
enum class ArmCalibration { raw, log, online };

struct AbtestOptions {
  std::vector<ArmSpec> arms;  // the first is the one that the others are compared with
  std::string world = "default";
  std::uint32_t users = 20000;
  int from_day = 30, days = 5;
  std::vector<std::uint64_t> seeds = {1};
  Design design = Design::paired;
  std::uint64_t salt = 1;  // of the split
  ArmCalibration calibration = ArmCalibration::raw;
  int aa = 0;  // A/A tests of the first arm, in place of a comparison
  int threads = 0;
  std::string json, report;  // files to write; empty: not wanted
  bool progress = true;
};

// A measure of a test. In the order of kMeasures.
struct Measure {
  std::string_view name, meaning;
  Fraction (*of)(const Outcome&);
  std::optional<double> paper;  // what the paper reports, in percent
  bool truth;                   // known to the simulator alone
};
const std::vector<Measure>& measures();

struct ArmTotals {
  std::string name, source;
  double users = 0;
  Outcome sum;
  std::vector<IndustryOutcome> industries;
  std::array<double, 24> spend_by_hour{};
  double budget = 0, overspent = 0;
  std::uint64_t places = 0, unsold = 0, advertiser_days = 0, bound_days = 0;
  Bidder::Counts counts;
  LogCheck log;
  double factor = 1;
};

struct SeedResult {
  std::uint64_t seed = 0;
  std::uint64_t log_clicks = 0, log_conversions = 0;
  std::vector<ArmTotals> arms;
  // [arm − 1][measure], [arm − 1][industry][gmv, orders, roi]
  std::vector<std::vector<LogRatio>> effects;
  std::vector<std::vector<std::array<LogRatio, 3>>> by_industry;
};

struct AaResult {
  int tests = 0;
  std::array<int, 3> alarms{};              // of gmv, orders, roi
  std::array<double, 3> mean_half_width{};  // percent
};

struct AbtestResult {
  std::vector<std::string> industries;
  std::vector<SeedResult> seeds;
  std::optional<AaResult> aa;
  double seconds = 0;
};

// Throws Error. Does not write or print but progress and notes on stderr.
AbtestResult run_abtest(const AbtestOptions& options);

}  // namespace mal

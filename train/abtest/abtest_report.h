// The result of an online test as text, JSON and a page.
#pragma once

#include <string>

#include "train/abtest/abtest.h"

namespace mal {

std::string abtest_text(const AbtestOptions& options, const AbtestResult& result);
std::string abtest_json(const AbtestOptions& options, const AbtestResult& result);
std::string abtest_page(const AbtestOptions& options, const AbtestResult& result);

inline std::string calibration_name(ArmCalibration calibration) {
  return calibration == ArmCalibration::raw ? "raw" : calibration == ArmCalibration::log ? "log" : "online";
}

// A budget that one click or one interval may overrun binds little: which arm it holds back is then chance. A line for
// each arm with much of it.
std::vector<std::string> overspending_notes(const SeedResult& seed);

// Of an arm (1: the second) over the seeds.
Effect pooled_effect(const AbtestResult& result, std::size_t arm, std::size_t measure);
Effect pooled_effect(const AbtestResult& result, std::size_t arm, std::size_t industry, std::size_t measure);

// What the paper reports of the orders of an industry, in percent: large home appliances and jewellery.
std::optional<double> paper_orders(const std::string& industry);

// The largest share of false alarms that N tests of 5 % each stay below with 97.5 % probability.
double largest_chance_share(int tests);

}  // namespace mal

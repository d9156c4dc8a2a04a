#include <cmath>
#include <vector>

#include "train/abtest/abtest_report.h"

namespace mal {

Effect pooled_effect(const AbtestResult& result, std::size_t arm, std::size_t measure) {
  std::vector<LogRatio> seeds;
  for (const SeedResult& seed : result.seeds) seeds.push_back(seed.effects[arm - 1][measure]);
  return effect_of(seeds);
}

Effect pooled_effect(const AbtestResult& result, std::size_t arm, std::size_t industry, std::size_t measure) {
  std::vector<LogRatio> seeds;
  for (const SeedResult& seed : result.seeds) seeds.push_back(seed.by_industry[arm - 1][industry][measure]);
  return effect_of(seeds);
}

std::optional<double> paper_orders(const std::string& industry) {
  if (industry == "large_appliances") return 11.6;
  if (industry == "jewellery") return 9.7;
  return std::nullopt;
}

double largest_chance_share(int tests) {
  // The binomial distribution, summed from 0.
  constexpr double kRate = 0.05;
  double sum = 0;
  for (int alarms = 0; alarms <= tests; ++alarms) {
    sum += std::exp(std::lgamma(tests + 1.0) - std::lgamma(alarms + 1.0) - std::lgamma(tests - alarms + 1.0) +
                    alarms * std::log(kRate) + (tests - alarms) * std::log1p(-kRate));
    if (sum >= 0.975) return static_cast<double>(alarms) / tests;
  }
  return 1;
}

}  // namespace mal

// How close each mechanism's credit is to the true one, where a simulated platform tells it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace mal {

struct ScoreOptions {
  std::vector<std::string> samples;     // files of attribute, folders or patterns
  std::string truth = "oracle";         // the column of true credits
  std::vector<std::string> mechanisms;  // columns to compare with it
};

// Over the clicks where one of the two is above 0: all others agree, and would only make every number look better.
struct MechanismScore {
  std::string name;
  std::uint64_t clicks = 0;
  double mean_error = 0;         // mean |credit − truth|
  double rank_correlation = 0;   // Spearman's, ties at their mean rank; 0 where one side is constant
  double credit = 0, truth = 0;  // sums
};

std::vector<MechanismScore> score_attribution(const ScoreOptions& options);

// Spearman's rank correlation.
double rank_correlation(const std::vector<double>& a, const std::vector<double>& b);

void add_score_attribution_command(CLI::App& app);

}  // namespace mal

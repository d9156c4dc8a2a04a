// Sums of losses since the last log line.
#pragma once

#include <vector>

namespace mal {

struct LossMeter {
  explicit LossMeter(std::size_t heads) : losses(heads) {}

  void add(double loss, const std::vector<double>& of_heads) {
    ++steps;
    total += loss;
    for (std::size_t h = 0; h < losses.size(); ++h) losses[h] += of_heads[h];
  }
  double mean() const { return total / steps; }
  std::vector<double> means() const {
    std::vector<double> means = losses;
    for (double& mean : means) mean /= steps;
    return means;
  }
  bool empty() const { return steps == 0; }
  void reset() { *this = LossMeter(losses.size()); }

  double steps = 0, total = 0;
  std::vector<double> losses;  // one a head
};

}  // namespace mal

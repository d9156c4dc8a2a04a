// `mal_gpu_train compare`: the difference of finished runs on the same test rows, with its interval, in words.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "train/experiment/difference.h"

namespace mal {

struct CompareOptions {
  std::vector<std::string> runs;  // folders of runs with --scores; the first is what the others are compared with
  std::string data;               // the data set; empty: the first run's
  std::int64_t resamples = 2000;
  std::int64_t seed = 1;  // of the draws
};

// Throws Error for runs that are not finished, are one and the same, have no scores, another primary view or seed, or
// scores that are not of this data set.
void compare_runs(const CompareOptions& options);

// "GAUC  +0.28 [-0.51, +1.10]: the interval holds 0, …": one line. users: with both classes for GAUC, with positives
// for AUC.
std::string verdict_text(const std::string& metric, const std::string& model, const std::string& base,
                         const Difference& difference, double users);

}  // namespace mal

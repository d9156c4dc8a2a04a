// `mal_gpu_train days`: day after day, test on the next day, then train on it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace mal {

struct DaysOptions {
  std::vector<std::string> configs;    // the first is what the others are compared with
  std::vector<std::string> overrides;  // as given to --set, of every configuration
  std::string data_dir, out = "days";
  std::string program;  // mal_gpu_train, for the runs
  std::string device = "auto";
  int jobs = 0;
  bool frozen = true;                       // test the model of the first day on every day, too
  std::int64_t resamples = 2000, seed = 1;  // of the draws
};

// Does the days that are not done, then writes and prints the tables. Interrupted at any point, a second call goes on
// and writes the same bytes; with another data set in data_dir it does that one.
void run_days(const DaysOptions& options);

}  // namespace mal

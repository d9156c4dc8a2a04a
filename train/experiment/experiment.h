// `mal_gpu_train experiment`: a file of studies → runs → tables.
#pragma once

#include <string>
#include <vector>

namespace mal {

struct ExperimentOptions {
  std::string file;
  std::vector<std::string> overrides;  // as given to --set
  std::string program;                 // mal_gpu_train, for the runs
  std::string device = "auto";
  int jobs = 0;
  bool plan_only = false;  // list the runs and stop
};

// Does the runs that are not done, then writes and prints the tables. Interrupted at any point, a second call goes on
// where the first one stopped and writes the same bytes.
void run_experiment(const ExperimentOptions& options);

}  // namespace mal

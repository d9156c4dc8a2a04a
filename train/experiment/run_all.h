// Does the runs of a plan that are not done yet, several at once, each in a process of its own.
#pragma once

#include <string>
#include <vector>

#include "train/data/dataset.h"
#include "train/experiment/run_plan.h"

namespace mal {

struct RunAllOptions {
  std::string program;          // mal_gpu_train
  std::string device = "auto";  // of every run
  int jobs = 0;                 // runs at once; 0: as many as cores on the CPU, one on a GPU
};

// A run is done when the scores of its test rows are there: they are the last thing that it writes. Whatever an
// interrupted run left is removed and the run starts anew. Throws Error with a run's own message if it fails; runs that
// were done stay done.
void run_all(const Experiment& experiment, const RunPlan& plan, const std::vector<Dataset>& datasets,
             const RunAllOptions& options);

bool is_done(const PlannedRun& run, const std::vector<Dataset>& datasets);

}  // namespace mal

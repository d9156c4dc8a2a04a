// `mal_gpu_train eval`: a finished run's metrics on a data set.
#pragma once

#include <string>
#include <vector>

namespace mal {

struct EvaluateOptions {
  std::string run;
  std::string dataset;  // empty: the run's own
  std::string split = "test";
  std::vector<std::string> slices;  // empty: the run's own
  std::string device = "auto";
  std::string json;    // empty: none
  std::string scores;  // folder for the rows' logits (scores.h); empty: none
  bool grown = false;  // the data set goes on from the run's, and ids that are new there are unseen
};

// Prints the metrics, overall and by slice.
void evaluate_run(const EvaluateOptions& options);

}  // namespace mal

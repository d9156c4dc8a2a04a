// `mal_gpu_train export`: a finished run as one file for mal_infer.h.
#pragma once

#include <string>

namespace mal {

struct ExportRunOptions {
  std::string run;
  std::string out = "model.mal";
  std::string dataset;  // empty: the run's own
  std::string weights = "fp32";
  bool only_primary = false;
  bool check = true;  // score the test split with the trainer and with the header, and print how far they are apart
  std::string device = "auto";  // that the trainer scores on for that
  bool quiet = false;           // says nothing of what was written
};

void export_run(const ExportRunOptions& options);

}  // namespace mal

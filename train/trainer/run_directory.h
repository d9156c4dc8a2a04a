// The folder of one training run: config.yaml, metrics.jsonl, model.safetensors.
#pragma once

#include <string>

#include "engine/parameters.h"
#include "train/config/run_config.h"
#include "train/trainer/append_log.h"

namespace mal {

class RunDirectory {
 public:
  // Creates the folder and writes the resolved configuration. An earlier run there: Error unless `overwrite`; a folder
  // that is no run is never touched.
  RunDirectory(const RunConfig& config, bool overwrite);

  void log(std::string_view json_line) { log_.line(json_line); }
  void save(const Parameters& parameters, const RunConfig& config, const std::string& fingerprint, std::int64_t steps);

 private:
  std::string path_;
  AppendLog log_;
};

// A finished run opened again.
struct SavedRun {
  RunConfig config;
  std::string weights;  // path
};
SavedRun open_run(const std::string& path);

// Identifies a data set's vocabularies: weights only mean something with the ids that they were trained on.
std::string vocabulary_fingerprint(const std::string& dataset);

// Loads the weights of a run into `parameters`; Error if they belong to other vocabularies.
void load_run_weights(const SavedRun& run, const std::string& dataset, Parameters& parameters);

}  // namespace mal

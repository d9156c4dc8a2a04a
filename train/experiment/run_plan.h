// Which runs an experiment needs. Two rows that come to the same configuration are one run, whatever they are called.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "train/config/run_config.h"
#include "train/experiment/experiment_file.h"

namespace mal {

struct PlannedRun {
  std::string key;          // names its folder
  std::string label;        // "MAL, primary last, seed 2"
  RunConfig config;         // with its folder as output
  std::size_t dataset = 0;  // of the experiment's
};

// A hash of everything that the result depends on: every value of the resolved configuration but those that only say
// where to write, what to show or how many threads to use, and the data set's content.
std::string run_key(const RunConfig& config, const std::string& data_fingerprint);

// Of every byte that training reads: schema, statistics, vocabularies, and the checksums of the columns. Two copies of
// a data set have the same one. Reads no column.
std::string data_fingerprint(const std::string& dataset);

class RunPlan {
 public:
  // fingerprints: of the experiment's data sets. Throws Error (exit code 2) that names the study and row whose
  // configuration is wrong, or two data sets that are the same.
  RunPlan(const Experiment& experiment, std::vector<std::string> fingerprints);

  const std::vector<PlannedRun>& runs() const { return runs_; }  // first all of the first seed, then the next
  // The keys of a row's runs on one data set, one a seed.
  std::vector<std::string> keys(const Study& study, const StudyRow& row, const std::string& primary,
                                std::size_t dataset = 0) const;

 private:
  void add(const Study& study, const StudyRow& row, const std::string& primary, std::int64_t seed, std::size_t dataset);

  const Experiment& experiment_;
  std::vector<std::string> fingerprints_;
  std::vector<PlannedRun> runs_;
  std::map<std::string, std::vector<std::string>> keys_;  // by study, row, primary and data set
};

std::string run_folder(const Experiment& experiment, const std::string& key);

}  // namespace mal

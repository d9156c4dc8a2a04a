// What finished runs say about the test rows: the numbers that every study is made of.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "train/experiment/bootstrap.h"
#include "train/experiment/difference.h"
#include "train/experiment/experiment_file.h"
#include "train/experiment/run_plan.h"
#include "train/experiment/test_set.h"

namespace mal {

// The test rows of every data set, sorted into groups that are the same in all of them.
struct RowGroups {
  std::vector<std::string> names;
  std::vector<std::vector<std::int32_t>> codes;  // for each data set and test row an index into names

  std::int64_t rows_of(std::size_t group) const;
};

// Of the logits of every test row, on those that are named.
RunResult result_of(const std::vector<float>& logits, const TestSet& test, const std::string& primary,
                    const std::vector<std::uint32_t>& rows, const UserResamples& resamples);

class Evidence {
 public:
  // One data set for each folder of the experiment. All must outlive it. Holds users × resamples bytes a data set.
  Evidence(const Experiment& experiment, const std::vector<Dataset>& datasets, const RunPlan& plan);

  const Experiment& experiment() const { return experiment_; }
  const std::vector<Dataset>& datasets() const { return datasets_; }
  const TestSet& test(std::size_t dataset = 0) const { return tests_[dataset]; }
  std::int64_t test_rows() const;  // of all data sets
  // Of all data sets, one after the other.
  std::vector<std::string> keys(const Study& study, const StudyRow& row, const std::string& primary) const;

  // On every test row; computed once for a run, however many studies ask.
  ModelResult whole(const Study& study, const StudyRow& row, const std::string& primary);
  // On the rows of one group.
  ModelResult part(const Study& study, const StudyRow& row, const std::string& primary, const RowGroups& groups,
                   std::size_t group);

 private:
  RunResult evaluate_rows(std::size_t dataset, const std::string& key, const std::string& primary,
                          const std::vector<std::uint32_t>& rows);

  const Experiment& experiment_;
  const std::vector<Dataset>& datasets_;
  const RunPlan& plan_;
  std::vector<TestSet> tests_;              // one a data set
  std::vector<UserResamples> resamples_;    // one a data set, drawn independently
  std::map<std::string, RunResult> known_;  // by key
};

}  // namespace mal

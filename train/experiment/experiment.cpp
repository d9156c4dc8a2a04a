#include "train/experiment/experiment.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "engine/error.h"
#include "train/config/progress.h"
#include "train/experiment/folder_lock.h"
#include "train/experiment/run_all.h"
#include "train/experiment/studies.h"
#include "train/experiment/write_results.h"

namespace mal {

namespace {

void print_plan(const RunPlan& plan, const std::vector<Dataset>& datasets) {
  for (const PlannedRun& run : plan.runs())
    fmt::print("{}  {}  {}\n", run.key, is_done(run, datasets) ? "done " : "to do", run.label);
}

// What a run would only notice after training: names that the data set does not have.
void check_names(const Experiment& experiment, const Dataset& dataset) {
  const std::vector<std::string> views = dataset.schema().views();
  const std::string shown = experiment.datasets.size() == 1 ? "the data set" : dataset.path();
  for (const Study& study : experiment.studies) {
    std::vector<std::string> names = study.primaries;
    for (const std::string& name : {study.view, study.against})
      if (!name.empty()) names.push_back(name);
    if (study.kind == StudyKind::positives)
      for (const auto& [name, figure] : study.paper) names.push_back(name);
    for (const std::string& name : names)
      if (std::ranges::find(views, name) == views.end())
        fail_usage("{}: study '{}': {} has no view '{}'; its views are {}", experiment.file, study.id, shown, name,
                   fmt::join(views, ", "));
    const auto slice = dataset.schema().find(study.slice);
    const bool is_slice = slice && dataset.schema().columns[static_cast<std::size_t>(*slice)].kind == ColumnKind::slice;
    if (!study.slice.empty() && !is_slice)
      fail_usage("{}: study '{}': {} has no slice column '{}'", experiment.file, study.id, shown, study.slice);
    if (study.growth.last_days > 0 && dataset.schema().columns_of(ColumnKind::time).empty())
      fail_usage("{}: study '{}': {} has no time column, so last_days cannot tell which rows are the last",
                 experiment.file, study.id, shown);
  }
}

// Names are right in each, and the views, whose positives are summed, are the same.
std::vector<Dataset> open_datasets(const Experiment& experiment) {
  std::vector<Dataset> datasets;
  for (const std::string& path : experiment.datasets) {
    datasets.push_back(Dataset::open(path));
    check_names(experiment, datasets.back());
    const std::vector<std::string> first = datasets.front().schema().views(), views = datasets.back().schema().views();
    if (views != first)
      fail_usage("{}: the views of {} are {}, those of {} are {}; make all data sets with the same mechanisms",
                 experiment.file, experiment.datasets.front(), fmt::join(first, ", "), path, fmt::join(views, ", "));
  }
  return datasets;
}

std::vector<std::string> fingerprints_of(const Experiment& experiment) {
  std::vector<std::string> fingerprints;
  for (const std::string& path : experiment.datasets) fingerprints.push_back(data_fingerprint(path));
  return fingerprints;
}

std::vector<ResultTable> all_tables(const Experiment& experiment, const std::vector<Dataset>& datasets,
                                    const RunPlan& plan) {
  Evidence evidence(experiment, datasets, plan);
  AllCounts counts;
  for (const Dataset& dataset : datasets) counts.push_back(count_views(dataset));
  Progress progress("comparing", experiment.studies.size());
  std::vector<ResultTable> tables;
  for (std::size_t s = 0; s < experiment.studies.size(); ++s) {
    for (ResultTable& table : tables_of(experiment.studies[s], evidence, counts)) tables.push_back(std::move(table));
    progress.update(s + 1, experiment.studies[s].id);
  }
  progress.finish("studies");
  return tables;
}

}  // namespace

void run_experiment(const ExperimentOptions& options) {
  const Experiment experiment = parse_experiment(options.file, options.overrides);
  const std::vector<Dataset> datasets = open_datasets(experiment);
  const RunPlan plan(experiment, fingerprints_of(experiment));
  if (options.plan_only) return print_plan(plan, datasets);

  std::filesystem::create_directories(experiment.output);
  const FolderLock lock(experiment.output);
  run_all(experiment, plan, datasets, {options.program, options.device, options.jobs});
  const std::vector<ResultTable> tables = all_tables(experiment, datasets, plan);
  write_results(experiment.output, "Studies", tables);
  for (const ResultTable& table : tables) fmt::print("\n{}", to_markdown(table));
  fmt::print("\ntables: {0}/tables, {0}/report.md, {0}/report.html\n", experiment.output);
}

}  // namespace mal

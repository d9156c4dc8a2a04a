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

void print_plan(const RunPlan& plan, const Dataset& dataset) {
  for (const PlannedRun& run : plan.runs())
    fmt::print("{}  {}  {}\n", run.key, is_done(run, dataset) ? "done " : "to do", run.label);
}

// What a run would only notice after training: names that the data set does not have.
void check_names(const Experiment& experiment, const Dataset& dataset) {
  const std::vector<std::string> views = dataset.schema().views();
  for (const Study& study : experiment.studies) {
    std::vector<std::string> names = study.primaries;
    for (const std::string& name : {study.view, study.against})
      if (!name.empty()) names.push_back(name);
    if (study.kind == StudyKind::positives)
      for (const auto& [name, figure] : study.paper) names.push_back(name);
    for (const std::string& name : names)
      if (std::ranges::find(views, name) == views.end())
        fail_usage("{}: study '{}': the data set has no view '{}'; its views are {}", experiment.file, study.id, name,
                   fmt::join(views, ", "));
    const auto slice = dataset.schema().find(study.slice);
    const bool is_slice = slice && dataset.schema().columns[static_cast<std::size_t>(*slice)].kind == ColumnKind::slice;
    if (!study.slice.empty() && !is_slice)
      fail_usage("{}: study '{}': the data set has no slice column '{}'", experiment.file, study.id, study.slice);
    if (study.growth.last_days > 0 && dataset.schema().columns_of(ColumnKind::time).empty())
      fail_usage("{}: study '{}': the data set has no time column, so last_days cannot tell which rows are the last",
                 experiment.file, study.id);
  }
}

std::vector<ResultTable> all_tables(const Experiment& experiment, const Dataset& dataset, const RunPlan& plan) {
  Evidence evidence(experiment, dataset, plan);
  const DatasetCounts counts = count_views(dataset);
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
  const Dataset dataset = Dataset::open(experiment.dataset);
  check_names(experiment, dataset);
  const RunPlan plan(experiment, data_fingerprint(experiment.dataset));
  if (options.plan_only) return print_plan(plan, dataset);

  std::filesystem::create_directories(experiment.output);
  const FolderLock lock(experiment.output);
  run_all(experiment, plan, dataset, {options.program, options.device, options.jobs});
  const std::vector<ResultTable> tables = all_tables(experiment, dataset, plan);
  write_results(experiment.output, "Studies", tables);
  for (const ResultTable& table : tables) fmt::print("\n{}", to_markdown(table));
  fmt::print("\ntables: {0}/tables, {0}/report.md, {0}/report.html\n", experiment.output);
}

}  // namespace mal

#include "train/experiment/run_plan.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "engine/error.h"
#include "engine/file.h"
#include "train/data/column_file.h"

namespace mal {

namespace {

namespace fs = std::filesystem;

// Raised when a later version of the program gives other numbers for the same configuration: runs are then repeated.
constexpr int kRunVersion = 1;

std::uint64_t chained(const void* data, std::size_t bytes, std::uint64_t hash) {
  return XXH3_64bits_withSeed(data, bytes, hash);
}

// Without the keys that came later where they say nothing: runs from before them are still found.
std::string key_text(const RunConfig& config) {
  std::string text = to_yaml(config);
  for (const std::string_view line : {"init_from: \"\"\n", "vocab: same\n", "  keep_checkpoint: false\n"})
    if (const std::size_t at = text.find(line); at != std::string::npos) text.erase(at, line.size());
  return text;
}

std::string row_name(const Study& study, const StudyRow& row, const std::string& primary, std::size_t dataset) {
  return fmt::format("{}\n{}\n{}\n{}", study.id, row.label, primary, dataset);
}

}  // namespace

std::string run_key(const RunConfig& config, const std::string& data_fingerprint) {
  RunConfig same = without_particulars(config);
  same.train.log_every = TrainConfig().log_every;
  const std::string text = fmt::format("{}\n{}\n{}", kRunVersion, data_fingerprint, key_text(same));
  return fmt::format("{:016x}", chained(text.data(), text.size(), 0));
}

std::string data_fingerprint(const std::string& dataset) {
  if (!fs::is_directory(dataset)) fail("{} is not a data set; make one with mal_data prepare", dataset);
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(dataset))
    if (entry.is_regular_file()) files.push_back(fs::relative(entry.path(), dataset).string());
  std::ranges::sort(files);
  std::uint64_t hash = 0;
  for (const std::string& file : files) {
    const MappedFile content(fmt::format("{}/{}", dataset, file));
    // A column's header holds the checksum of its values.
    const bool column = file.ends_with(".bin");
    const std::size_t bytes = column ? std::min(content.size(), sizeof(ColumnHeader)) : content.size();
    hash = chained(content.data(), bytes, chained(file.data(), file.size(), hash));
  }
  return fmt::format("{:016x}", hash);
}

RunPlan::RunPlan(const Experiment& experiment, std::vector<std::string> fingerprints)
    : experiment_(experiment), fingerprints_(std::move(fingerprints)) {
  for (std::size_t d = 0; d < fingerprints_.size(); ++d)
    for (std::size_t e = 0; e < d; ++e)
      if (fingerprints_[d] == fingerprints_[e])
        fail_usage(
            "{}: the data sets {} and {} hold the same; several are for several worlds, such as other seeds of "
            "mal_data simulate",
            experiment.file, experiment.datasets[e], experiment.datasets[d]);
  for (const std::int64_t seed : experiment.seeds)
    for (std::size_t d = 0; d < fingerprints_.size(); ++d)
      for (const Study& study : experiment.studies)
        for (const std::string& primary : study.primaries)
          for (const StudyRow& row : study.rows) add(study, row, primary, seed, d);
}

void RunPlan::add(const Study& study, const StudyRow& row, const std::string& primary, std::int64_t seed,
                  std::size_t dataset) {
  PlannedRun run;
  run.config = run_config_of(experiment_, study, row, primary, seed, dataset);
  run.key = run_key(run.config, fingerprints_[dataset]);
  run.label = fmt::format("{}, primary {}, seed {}", row.label, primary, seed);
  if (fingerprints_.size() > 1) run.label += ", " + experiment_.datasets[dataset];
  run.config.output = run_folder(experiment_, run.key);
  run.dataset = dataset;
  keys_[row_name(study, row, primary, dataset)].push_back(run.key);
  if (std::ranges::find(runs_, run.key, &PlannedRun::key) == runs_.end()) runs_.push_back(std::move(run));
}

std::vector<std::string> RunPlan::keys(const Study& study, const StudyRow& row, const std::string& primary,
                                       std::size_t dataset) const {
  return keys_.at(row_name(study, row, primary, dataset));
}

std::string run_folder(const Experiment& experiment, const std::string& key) {
  return fmt::format("{}/runs/{}", experiment.output, key);
}

}  // namespace mal

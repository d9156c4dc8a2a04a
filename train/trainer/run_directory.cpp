#include "train/trainer/run_directory.h"

#include <xxhash.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "engine/checkpoint.h"
#include "engine/error.h"
#include "engine/file.h"
#include "train/trainer/scores.h"

namespace mal {

namespace {

namespace fs = std::filesystem;

constexpr const char* kConfig = "/config.yaml";
constexpr const char* kMetrics = "/metrics.jsonl";
constexpr const char* kWeights = "/model.safetensors";
constexpr const char* kFingerprint = "vocabularies";

// Nothing but what a run that was killed at its very start leaves.
bool holds_only_ours(const std::string& path) {
  if (!fs::is_directory(path)) return false;
  for (const auto& entry : fs::directory_iterator(path)) {
    const std::string name = "/" + entry.path().filename().string();
    if (name != kMetrics && name != kConfig + std::string(".tmp")) return false;
  }
  return true;
}

// The folder, empty but for what is not ours to remove.
std::string make_room(const std::string& path, bool overwrite) {
  if (path.empty()) fail_usage("the configuration has no 'output': name a folder for the run");
  std::error_code error;
  if (fs::exists(path + kConfig)) {
    if (!overwrite) fail_usage("{} holds an earlier run; use --overwrite to replace it, or --set output=FOLDER", path);
    for (const char* file : {kScoresFile, kConfig, kMetrics, kWeights}) fs::remove(path + file, error);
  } else if (fs::exists(path) && !holds_only_ours(path)) {
    fail_usage("{} exists and is not a run; choose another output", path);
  }
  fs::create_directories(path, error);
  if (error) fail("cannot create {}: {}; choose another output", path, error.message());
  return path;
}

}  // namespace

RunDirectory::RunDirectory(const RunConfig& config, bool overwrite)
    : path_(make_room(config.output, overwrite)), log_(path_ + kMetrics) {
  OutputFile file(path_ + kConfig);
  file.write(to_yaml(config));
  file.commit();
}

void RunDirectory::save(const Parameters& parameters, const RunConfig& config, const std::string& fingerprint,
                        std::int64_t steps) {
  save_weights(path_ + kWeights, parameters,
               {{"model", config.model.type},
                {"primary", config.model.primary},
                {"steps", std::to_string(steps)},
                {kFingerprint, fingerprint}});
}

SavedRun open_run(const std::string& path) {
  if (!fs::exists(path + kConfig))
    fail_usage("{} is not a run: it has no config.yaml; give the 'output' folder of a training run", path);
  SavedRun run{parse_run_config(path + kConfig, {}), path + kWeights};
  if (!fs::exists(run.weights)) fail("{} has no model.safetensors: the run did not finish; train again", path);
  return run;
}

std::string vocabulary_fingerprint(const std::string& dataset) {
  std::vector<std::string> files;
  const std::string folder = dataset + "/vocab";
  if (fs::is_directory(folder))
    for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path().filename().string());
  std::ranges::sort(files);
  std::uint64_t hash = 0;
  for (const std::string& file : files) {
    const MappedFile content(fmt::format("{}/{}", folder, file));
    hash = XXH3_64bits_withSeed(content.data(), content.size(), XXH3_64bits_withSeed(file.data(), file.size(), hash));
  }
  return fmt::format("{:016x}", hash);
}

void load_run_weights(const SavedRun& run, const std::string& dataset, Parameters& parameters) {
  const Metadata metadata = load_weights(run.weights, parameters);
  const auto trained = metadata.find(kFingerprint);
  if (trained != metadata.end() && trained->second != vocabulary_fingerprint(dataset))
    fail(
        "{}: the weights were trained with other vocabularies than those of {}; give the data set that it was trained "
        "on, or train again",
        run.weights, dataset);
}

}  // namespace mal

#include "train/trainer/run_directory.h"

#include <xxhash.h>

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <vector>

#include "engine/checkpoint.h"
#include "engine/error.h"
#include "engine/file.h"
#include "train/trainer/metrics_log.h"
#include "train/trainer/scores.h"
#include "train/trainer/trained_on.h"

namespace mal {

namespace {

namespace fs = std::filesystem;

constexpr const char* kConfig = "/config.yaml";
constexpr const char* kMetrics = "/metrics.jsonl";
constexpr const char* kWeights = "/model.safetensors";
constexpr const char* kCheckpoint = "/checkpoint.safetensors";
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

// The folder, empty but for what is not ours to remove, or for the run that goes on.
std::string make_room(const RunConfig& config, ExistingRun existing) {
  const std::string& path = config.output;
  if (path.empty()) fail_usage("the configuration has no 'output': name a folder for the run");
  std::error_code error;
  if (fs::exists(path + kConfig)) {
    if (existing == ExistingRun::resume) {
      if (fs::exists(path + kWeights) && !fs::exists(path + kCheckpoint))
        fail_usage(
            "{} is finished, there is nothing to resume: train.keep_checkpoint was false; use --overwrite to train "
            "again, or --set output=FOLDER with init_from: {}",
            path, path);
      check_begun_alike(path, config, "use --overwrite to begin anew, or --set output=FOLDER");
      return path;
    }
    if (existing == ExistingRun::refuse)
      fail_usage(
          "{} holds an earlier run; use --resume to go on with it, --overwrite to replace it, or --set output=FOLDER",
          path);
    for (const char* file : {kScoresFile, kConfig, kMetrics, kWeights, kCheckpoint, kTrainedOn, kNextTrainedOn})
      fs::remove_all(path + file, error);
  } else if (fs::exists(path) && !holds_only_ours(path)) {
    fail_usage("{} exists and is not a run; choose another output", path);
  }
  fs::create_directories(path, error);
  if (error) fail("cannot create {}: {}; choose another output", path, error.message());
  return path;
}

}  // namespace

// A run goes on only as it began; what cannot change its numbers may be another, and data that grew.
void check_begun_alike(const std::string& path, const RunConfig& config, std::string_view way_out) {
  const auto compared = [&config](const RunConfig& whole) {
    RunConfig same = without_particulars(whole);
    if (config.vocab == Vocab::same) same.data.path = whole.data.path;
    same.data.on_device = whole.data.on_device;
    same.train.eval_batch_size = TrainConfig().eval_batch_size;
    return to_yaml(same);
  };
  std::istringstream then(compared(parse_run_config(path + kConfig, {}))), now(compared(config));
  std::string before, after;
  while (std::getline(now, after)) {
    if (std::getline(then, before) && before == after) continue;
    const auto trimmed = [](const std::string& line) {
      return line.substr(std::min(line.find_first_not_of(' '), line.size()));
    };
    fail_usage(
        "{} was begun with '{}', and the configuration now says '{}': a run goes on only as it began, or with vocab: "
        "grow on new data; {}",
        path, trimmed(before), trimmed(after), way_out);
  }
}

RunDirectory::RunDirectory(const RunConfig& config, ExistingRun existing)
    : path_(make_room(config, existing)), log_(path_ + kMetrics, existing == ExistingRun::resume) {
  if (existing == ExistingRun::resume && fs::exists(checkpoint_path())) {
    checkpoint_ = checkpoint_path();
    return;
  }
  log_.rewind(0);
}

void RunDirectory::announce(const std::string& dataset, std::string_view kept) const {
  // A change that was stopped halfway is finished first: until then the next folder is the one that the checkpoint
  // needs.
  if (kept == kNextTrainedOn) keep_trained_on(path_, path_ + kNextTrainedOn);
  keep_trained_on(path_, dataset, kNextTrainedOn);
}

void RunDirectory::begin(const RunConfig& config) {
  OutputFile file(path_ + kConfig);
  file.write(to_yaml(config));
  file.commit();
  keep_trained_on(path_, config.data.path);
  std::error_code error;
  fs::remove_all(path_ + kNextTrainedOn, error);
}

std::string RunDirectory::checkpoint_path() const {
  return path_ + kCheckpoint;
}

void RunDirectory::rewind_log(std::int64_t steps) {
  const std::string text = read_file(log_.path());
  std::size_t keep = 0;
  for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', keep)) {
    if (step_of_line(std::string_view(text).substr(keep, end - keep)) > steps) break;
    keep = end + 1;
  }
  log_.rewind(keep);
}

std::string RunDirectory::last_device() const {
  return device_of_lines(read_file(log_.path()));
}

void RunDirectory::save(const Parameters& parameters, const RunConfig& config, const std::string& fingerprint,
                        std::int64_t steps) {
  save_weights(path_ + kWeights, parameters,
               {{"model", config.model.type},
                {"primary", config.model.primary},
                {"steps", std::to_string(steps)},
                {kFingerprint, fingerprint}});
}

void RunDirectory::finish() {
  std::error_code error;
  fs::remove(checkpoint_path(), error);
}

std::string checkpoint_of(const std::string& run) {
  return fs::exists(run + kConfig) && fs::exists(run + kCheckpoint) ? run + kCheckpoint : "";
}

bool has_checkpoint(const RunConfig& config, ExistingRun existing) {
  return existing == ExistingRun::resume && !checkpoint_of(config.output).empty();
}

SavedRun open_run(const std::string& path) {
  if (!fs::exists(path + kConfig))
    fail_usage("{} is not a run: it has no config.yaml; give the 'output' folder of a training run", path);
  SavedRun run{parse_run_config(path + kConfig, {}), path + kWeights};
  if (!fs::exists(run.weights)) fail("{} has no model.safetensors: the run did not finish; train again", path);
  return run;
}

std::string vocabularies_of(const SavedRun& run) {
  return read_metadata(run.weights)[kFingerprint];
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
  const std::string trained = vocabularies_of(run);
  const bool others = !trained.empty() && trained != vocabulary_fingerprint(dataset);
  try {
    load_weights(run.weights, parameters);
  } catch (const Error& error) {
    if (!others) throw;
    // With more ids the tables have more rows.
    fail("{} (its vocabularies are others; is {} one that goes on from that of the run? eval --grown scores it)",
         error.what(), dataset);
  }
  if (others)
    fail(
        "{}: the weights were trained with other vocabularies than those of {}; give the data set that it was trained "
        "on, or with eval --grown one that goes on from it, or train again",
        run.weights, dataset);
}

}  // namespace mal

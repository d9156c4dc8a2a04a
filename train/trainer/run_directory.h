// The folder of one training run: config.yaml, metrics.jsonl, trained_on/, checkpoint.safetensors while it trains,
// model.safetensors.
#pragma once

#include <string>
#include <string_view>

#include "engine/parameters.h"
#include "train/config/run_config.h"
#include "train/trainer/append_log.h"

namespace mal {

// What to do with an earlier run in the same folder: stop with an Error; replace it; go on with it, from its checkpoint
// or, if it was killed before the first one, from the beginning. Only an unfinished run of the same configuration goes
// on, or with Vocab::grow one that has kept its checkpoint and gets new data.
enum class ExistingRun { refuse, replace, resume };

class RunDirectory {
 public:
  // Makes the folder, empty or of the run that goes on. One that is no run is never touched.
  RunDirectory(const RunConfig& config, ExistingRun existing);
  // The checkpoint is about to be of this data set: what its rows mean then stands beside what they mean now. kept: the
  // folder that says that (kept_of).
  void announce(const std::string& dataset, std::string_view kept) const;
  // All is ready for the first step, and the checkpoint, if there is one, is of this data set: the resolved
  // configuration and trained_on/ are written.
  void begin(const RunConfig& config);

  void log(std::string_view json_line) { log_.line(json_line); }
  // Keeps of metrics.jsonl what had happened after that many steps.
  void rewind_log(std::int64_t steps);
  // Where the run has computed until now, as metrics.jsonl says; empty: it does not.
  std::string last_device() const;
  // Of a run that can go on; empty: it has none, and begins anew.
  const std::string& checkpoint() const { return checkpoint_; }
  std::string checkpoint_path() const;
  void save(const Parameters& parameters, const RunConfig& config, const std::string& fingerprint, std::int64_t steps);
  void finish();  // everything is written: the checkpoint has done its work

 private:
  std::string checkpoint_;
  std::string path_;
  AppendLog log_;
};

// The checkpoint that the run in this folder would go on from; empty: it has none.
std::string checkpoint_of(const std::string& run);

// Usage Error unless the run in this folder was begun with a configuration that trains the same. way_out: what the
// message says one can do instead.
void check_begun_alike(const std::string& run, const RunConfig& config, std::string_view way_out);

// A finished run opened again.
struct SavedRun {
  RunConfig config;
  std::string weights;  // path
};
SavedRun open_run(const std::string& path);

// The vocabulary_fingerprint() that the weights of a finished run were saved with; empty: none was.
std::string vocabularies_of(const SavedRun& run);

// Whether a training run would go on from a checkpoint in its folder.
bool has_checkpoint(const RunConfig& config, ExistingRun existing);

// Identifies a data set's vocabularies: weights only mean something with the ids that they were trained on.
std::string vocabulary_fingerprint(const std::string& dataset);

// Loads the weights of a run into `parameters`; Error if they belong to other vocabularies.
void load_run_weights(const SavedRun& run, const std::string& dataset, Parameters& parameters);

}  // namespace mal

#include "train/trainer/evaluate_run.h"

#include <filesystem>
#include <optional>

#include "engine/error.h"
#include "engine/file.h"
#include "train/trainer/evaluator.h"
#include "train/trainer/network.h"
#include "train/trainer/run_directory.h"
#include "train/trainer/scores.h"
#include "train/trainer/test_report.h"
#include "train/trainer/trained_on.h"

namespace mal {

namespace {

// Of a run that was trained on a data set that `dataset` goes on from.
void load_grown(const std::string& folder, const SavedRun& run, const Dataset& dataset, Parameters& parameters) {
  const char* kept = kept_of(folder, run.weights, vocabularies_of(run));
  const GoesOn how = check_goes_on(folder, dataset, Vocab::grow, kept);
  load_weights(run.weights, parameters, Contents::weights, new_ids_unseen(how, dataset.schema()));
  fmt::print(stderr, "note: new ids, unseen here: {}\n", how.new_ids);
}

// Made before the work, so that a name that cannot be written to costs none.
void make_scores_folder(const std::string& folder) {
  if (folder.empty()) return;
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) fail("cannot create {}: {}; give --scores another folder", folder, error.message());
}

}  // namespace

void evaluate_run(const EvaluateOptions& options) {
  if (options.split != "test" && options.split != "train")
    fail_usage("--split {}: it must be test or train", options.split);
  const Split split = options.split == "test" ? Split::test : Split::train;
  const SavedRun run = open_run(options.run);
  const RunConfig& config = run.config;
  const std::string path = options.dataset.empty() ? config.data.path : options.dataset;
  const std::vector<std::string>& slices = options.slices.empty() ? config.eval.slices : options.slices;

  const Device device =
      select_device_to_evaluate(options.device, static_cast<int>(config.train.threads), config.train.precision);
  if (!device.note.empty()) fmt::print(stderr, "note: {}\n", device.note);
  const Dataset dataset = Dataset::open(path);
  Parameters parameters(config.seed, {}, device.memory);
  // Recording the model declares its parameters; the weights then have places to go to.
  { const Network declared(device, parameters, dataset.schema(), config.model, 1, false); }
  if (options.grown)
    load_grown(options.run, run, dataset, parameters);
  else
    load_run_weights(run, path, parameters);

  check_slices(dataset.schema(), slices);
  std::optional<OutputFile> file;  // before the work, so that a wrong name costs none
  if (!options.json.empty()) file.emplace(options.json);
  make_scores_folder(options.scores);

  const ScoredSplit scored =
      score_split(device, parameters, config.model, dataset, split, config.train.eval_batch_size, slices);
  const Metrics metrics = evaluate(scored.scored);
  const std::vector<SliceTable> tables = slice_tables(dataset, scored, slices);
  print_metrics(fmt::format("{} on {} rows of {}", config.name, options.split, path), metrics, tables);
  if (!options.scores.empty()) save_scores(options.scores, scored.scored.logits);
  if (!file) return;
  file->write(test_line(metrics, tables, 0) + "\n");
  file->commit();
}

}  // namespace mal

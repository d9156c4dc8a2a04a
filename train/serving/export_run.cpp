#include "train/serving/export_run.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "engine/error.h"
#include "model/inference/export.h"
#include "train/config/model_json.h"
#include "train/data/dataset_layout.h"
#include "train/data/sample_values.h"
#include "train/data/vocabulary.h"
#include "train/metrics/auc.h"
#include "train/metrics/sample.h"
#include "train/serving/dataset_scores.h"
#include "train/trainer/evaluator.h"
#include "train/trainer/network.h"
#include "train/trainer/run_directory.h"

namespace mal {

namespace {

WeightType weight_type(const std::string& name) {
  if (name == "fp32") return WeightType::fp32;
  if (name == "bf16") return WeightType::bf16;
  if (name == "int8") return WeightType::int8;
  fail_usage("--weights {}: it must be fp32, bf16 or int8", name);
}

// Recording the model declares its parameters; the weights then have places to go to.
void declare(const Device& device, Parameters& parameters, const Dataset& dataset, const RunConfig& config) {
  const Network declared(device, parameters, dataset.schema(), config.model, 1, false);
}

std::string auc_of(const std::vector<float>& logits, const std::vector<float>& credits,
                   const std::vector<float>& weights) {
  const std::optional<double> auc = weighted_auc(logits, credits, order_by_logit(logits), {weights});
  return auc ? fmt::format("{:.6f}", *auc) : "n/a";
}

// What the file's weights cost: the same rows through the trainer's network and through the header.
void compare(const infer::Model& model, const ExportRunOptions& options, const SavedRun& run, const Dataset& dataset) {
  const RunConfig& config = run.config;
  const Device device =
      select_device_to_evaluate(options.device, static_cast<int>(config.train.threads), config.train.precision);
  if (!device.note.empty()) fmt::print(stderr, "note: {}\n", device.note);
  Parameters parameters(config.seed, {}, device.memory);
  declare(device, parameters, dataset, config);
  load_run_weights(run, dataset.path(), parameters);
  const ScoredSplit trained =
      score_split(device, parameters, config.model, dataset, Split::test, config.train.eval_batch_size, {});
  const HeaderScores served = score_with_header(model, dataset, Split::test);
  double largest = 0;
  for (std::size_t r = 0; r < served.logits.size(); ++r)
    largest = std::max(largest, std::abs(sigmoid(static_cast<double>(trained.scored.logits[r])) -
                                         sigmoid(static_cast<double>(served.logits[r]))));
  fmt::print("test rows {}: AUC {} in the trainer, {} from the file; largest difference of a probability {:.2g}\n",
             served.logits.size(), auc_of(trained.scored.logits, trained.scored.credits, trained.scored.weights),
             auc_of(served.logits, served.credits, served.weights), largest);
}

}  // namespace

void export_run(const ExportRunOptions& options) {
  const ExportOptions how{weight_type(options.weights), options.only_primary};
  const SavedRun run = open_run(options.run);
  const RunConfig& config = run.config;
  const std::string path = options.dataset.empty() ? config.data.path : options.dataset;
  const Device device = select_device("cpu", static_cast<int>(config.train.threads));
  const Dataset dataset = Dataset::open(path);
  Parameters parameters(config.seed);
  declare(device, parameters, dataset, config);
  load_run_weights(run, path, parameters);

  const auto vocabulary = [&](const std::string& table) {
    const Vocabulary known = read_vocabulary(vocabulary_file(path, table));
    std::vector<std::string> values(static_cast<std::size_t>(known.rows() - 1));
    known.for_each([&](std::string_view text, std::int32_t number) {
      values[static_cast<std::size_t>(number - 1)] = std::string(text);
    });
    return values;
  };
  const auto scale = [&](int column) {
    const NumberScale& fitted = dataset.scale(column);
    const Column& spec = dataset.schema().columns[static_cast<std::size_t>(column)];
    return ExportSource::Scale{fitted.mean, fitted.deviation, stored_missing(spec, fitted)};
  };
  const FileMetadata about = {{"run", config.name},
                              {"primary", config.model.primary},
                              {"weights", options.weights},
                              {"seed", std::to_string(config.seed)},
                              {"vocabularies", vocabulary_fingerprint(path)}};
  export_model({dataset.schema(), parameters, model_json(config), vocabulary, scale, about}, how, options.out);

  infer::Result<infer::Model> loaded = infer::Model::try_load(options.out, infer::Model::Access::map);
  if (!loaded.ok()) fail("{}", loaded.status().message());
  const infer::Model& model = *loaded;
  if (!options.quiet)
    fmt::print("{}: {} of {}, {} weights, {:.1f} MiB\n", options.out, model.type(), config.name, options.weights,
               static_cast<double>(std::filesystem::file_size(options.out)) / (1 << 20));
  if (options.check && dataset.rows(Split::test) > 0) compare(model, options, run, dataset);
}

}  // namespace mal

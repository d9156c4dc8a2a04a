#include "train/trainer/training_checkpoint.h"

#include <cmath>
#include <cstdlib>

#include "engine/error.h"

namespace mal {

namespace {

constexpr const char* kSteps = "steps";
constexpr const char* kBegin = "steps_before_dataset";
constexpr const char* kDataset = "dataset";
constexpr const char* kVocabularies = "vocabularies";
constexpr const char* kMeter = "losses_since_log";

// Hexadecimal: the same bits come back.
std::string to_text(const LossMeter& meter) {
  std::string text = fmt::format("{:a} {:a}", meter.steps, meter.total);
  for (const double loss : meter.losses) text += fmt::format(" {:a}", loss);
  return text;
}

LossMeter to_meter(const std::string& path, const std::string& text, std::size_t heads) {
  LossMeter meter(heads);
  std::vector<double*> fields = {&meter.steps, &meter.total};
  for (double& loss : meter.losses) fields.push_back(&loss);
  const char* at = text.c_str();
  for (double* field : fields) {
    char* end = nullptr;
    *field = std::strtod(at, &end);
    if (end == at || !std::isfinite(*field)) fail("{}: its metadata '{}' are damaged; train again", path, kMeter);
    at = end;
  }
  return meter;
}

TrainingPosition to_position(const std::string& path, Metadata& metadata) {
  const auto number = [&](const char* key) { return std::strtoll(metadata[key].c_str(), nullptr, 10); };
  TrainingPosition position{number(kSteps), LossMeter(0), number(kBegin)};
  if (position.steps < 1 || position.begin < 0 || position.begin > position.steps)
    fail("{}: it says step '{}' after '{}'; train again with --overwrite", path, metadata[kSteps], metadata[kBegin]);
  return position;
}

}  // namespace

void save_checkpoint(const std::string& path, const Parameters& parameters, const TrainingPosition& position,
                     const CheckpointData& data) {
  save_weights(path, parameters,
               {{kSteps, std::to_string(position.steps)},
                {kBegin, std::to_string(position.begin)},
                {kMeter, to_text(position.meter)},
                {kDataset, data.identity},
                {kVocabularies, data.vocabularies}},
               Contents::training);
}

CheckpointData data_of_checkpoint(const std::string& path) {
  Metadata metadata = read_metadata(path, Contents::training);
  return {metadata[kDataset], metadata[kVocabularies]};
}

TrainingPosition position_of_checkpoint(const std::string& path) {
  Metadata metadata = read_metadata(path, Contents::training);
  return to_position(path, metadata);
}

TrainingPosition load_checkpoint(const std::string& path, Parameters& parameters, std::size_t heads,
                                 const std::string& dataset, Vocab vocab, const TableRows& rows) {
  Metadata metadata = load_weights(path, parameters, Contents::training, rows);
  const bool same_data = metadata[kDataset] == dataset;
  if (!same_data && vocab != Vocab::grow)
    fail(
        "{}: it belongs to another data set, or the data set was prepared anew; train again with --overwrite, or set "
        "vocab: grow to go on with new data",
        path);
  TrainingPosition position = to_position(path, metadata);
  position.meter = to_meter(path, metadata[kMeter], heads);
  if (!same_data) position = {position.steps, LossMeter(heads), position.steps};
  return position;
}

}  // namespace mal

#include "train/attribution/neural_graph.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "engine/error.h"
#include "engine/ops.h"

namespace mal {

namespace {

constexpr auto kLength = static_cast<std::int32_t>(NeuralShape::kClicks);
constexpr auto kWidth = static_cast<std::int32_t>(NeuralShape::kWidth);
constexpr auto kAges = static_cast<std::int64_t>(NeuralShape::kAges);
constexpr auto kHidden = static_cast<std::int64_t>(NeuralShape::kHidden);
constexpr float kInitStd = 0.1F;

}  // namespace

NeuralGraph::Inputs::Inputs(std::size_t rows)
    : channels(rows * NeuralShape::kClicks),
      ages(rows * NeuralShape::kClicks),
      lengths(rows),
      query(rows, 0),
      label(rows),
      offset(rows) {}

NeuralGraph::NeuralGraph(std::uint64_t seed, std::uint32_t channels, std::size_t batch, int threads,
                         double learning_rate)
    : channels_(channels),
      learning_rate_(learning_rate),
      device_(select_device("cpu", threads)),
      inputs_(batch),
      parameters_(seed, [this](std::int32_t width) { return sparse_state_width(device_, sparse_config(), width); }),
      training_(device_, static_cast<std::int64_t>(batch), true),
      predicting_(device_, static_cast<std::int64_t>(batch), false) {
  record(training_, true);
  output_ = record(predicting_, false);
  predicting_.keep(output_);
  training_.plan(Passes::together);
  predicting_.plan();
}

SparseOptimizerConfig NeuralGraph::sparse_config() const {
  SparseOptimizerConfig config;
  config.learning_rate = learning_rate_;
  return config;
}

Optimizer NeuralGraph::optimizer(std::int64_t steps) {
  ScheduleConfig schedule;
  schedule.kind = Schedule::cosine;
  schedule.total_steps = steps;
  DenseOptimizerConfig dense;
  dense.learning_rate = learning_rate_;
  return Optimizer(device_, parameters_, dense, sparse_config(), schedule);
}

void NeuralGraph::set(std::size_t row, const Moment& moment, double base) {
  inputs_.lengths[row] = static_cast<std::int32_t>(moment.clicks.size());
  for (std::size_t k = 0; k < moment.clicks.size(); ++k) {
    inputs_.channels[row * NeuralShape::kClicks + k] = static_cast<std::int32_t>(moment.clicks[k].channel);
    inputs_.ages[row * NeuralShape::kClicks + k] = static_cast<std::int32_t>(age_bin(moment.clicks[k].age));
  }
  inputs_.label[row] = moment.converts ? 1.0F : 0.0F;
  inputs_.offset[row] = static_cast<float>(base - moment.log_density);
}

// Returns log λ without its base.
Value NeuralGraph::record(Graph& graph, bool train) {
  const Input channel = graph.add_input("channel"), age = graph.add_input("age"), query = graph.add_input("query");
  graph.bind(channel, {inputs_.channels.data(), inputs_.lengths.data()});
  graph.bind(age, {inputs_.ages.data(), inputs_.lengths.data()});
  graph.bind(query, {inputs_.query.data()});
  const ops::LookupResult found = ops::embedding_lookup(
      graph,
      {{&parameters_.table("channel", channels_, kWidth, kInitStd), channel, kLength, ops::Pooling::none, false},
       {&parameters_.table("age", kAges, kWidth, kInitStd), age, kLength, ops::Pooling::none, false},
       {&parameters_.table("query", 1, kWidth, kInitStd), query, 1, ops::Pooling::none, false}},
      "embedding");
  const Value clicks = ops::add(graph, found.features[0], found.features[1], "clicks");
  const Value pooled = ops::din_attention(graph, parameters_, clicks, found.features[2], channel,
                                          static_cast<std::int64_t>(NeuralShape::kAttention), false, "attention");
  const Value first = ops::linear(graph, parameters_, pooled, kHidden, ops::Activation::relu, "first");
  const Value second = ops::linear(graph, parameters_, first, kHidden, ops::Activation::relu, "second");
  const Value hazard = ops::linear(graph, parameters_, second, 1, ops::Activation::none, "hazard");
  if (!train) return hazard;
  const Input offset = graph.add_input("offset"), label = graph.add_input("label");
  graph.bind(offset, {nullptr, nullptr, inputs_.offset.data()});
  graph.bind(label, {nullptr, nullptr, inputs_.label.data()});
  const Value logit = ops::add(graph, hazard, ops::input_values(graph, {offset}, "offset"), "logit");
  ops::LossHead head{};
  head.view_count = 1;
  head.scale = 1;
  ops::multi_view_loss(graph, logit, ops::input_values(graph, {label}, "label"), {head}, ops::Reduction::mean, &loss_);
  return logit;
}

double NeuralGraph::predict_loss(std::size_t rows) {
  predicting_.forward(static_cast<std::int64_t>(rows));
  const std::vector<float> hazards = predicting_.read(output_, static_cast<std::int64_t>(rows));
  double sum = 0;
  for (std::size_t row = 0; row < hazards.size(); ++row) {
    const double logit = static_cast<double>(hazards[row]) + static_cast<double>(inputs_.offset[row]);
    sum += std::log1p(std::exp(-std::abs(logit))) + std::max(0.0, logit) - (inputs_.label[row] > 0 ? logit : 0);
  }
  return sum;
}

void NeuralGraph::read(NeuralWeights& weights) const {
  for (const NeuralWeights::Tensor& tensor : weights.tensors(channels_)) {
    *tensor.values = read(tensor.name);
    if (!std::ranges::all_of(*tensor.values, [](float value) { return std::isfinite(value); }))
      fail("neural: the training of a network diverged ('{}' is not finite); give another --seed, or leave neural out",
           tensor.name);
  }
}

std::vector<float> NeuralGraph::read(std::string_view name) const {
  for (const Parameter& parameter : parameters_.all_dense())
    if (parameter.name == name) return parameter.value.read();
  std::vector<float> values;
  for (const EmbeddingTable& table : parameters_.all_tables())
    if (table.name() == name)
      for (std::int64_t row = 0; row < table.rows(); ++row)
        values.insert(values.end(), table.row(row), table.row(row) + table.width());
  return values;
}

}  // namespace mal

#include "train/trainer/network.h"

#include <fmt/format.h>

#include <cmath>

#include "engine/error.h"
#include "engine/ops.h"

namespace mal {

Network::Network(const Device& device, Parameters& parameters, const Schema& network_schema, const ModelConfig& config,
                 std::int64_t max_rows, bool training, kernels::Reduction reduction, MultiTask multi_task,
                 std::uint64_t seed, double weight_mean)
    : schema(network_schema),
      graph(device, max_rows, training),
      model(build_model(graph, parameters, network_schema, config)),
      report(device.memory, sizeof(kernels::GradientNorm) + model.heads.size() * sizeof(double)),
      stage(graph, model.inputs, schema) {
  if (training)
    ops::multi_view_loss(graph, model.logits, model.credits, model.loss_heads, reduction, device_losses(), &only_head,
                         {model.weights, weight_mean});
  graph.plan(!training ? Passes::apart : multi_task == MultiTask::none ? Passes::together : Passes::repeatable);
  if (!training || multi_task == MultiTask::none) return;
  std::vector<Value> logits;
  for (const Head& head : model.heads) logits.push_back(head.logits);
  surgery.emplace(graph, parameters, logits, only_head, multi_task, seed);
}

void Network::forward(const Batch& batch) {
  stage.load(batch);
  graph.forward(batch.rows);
  stage.done();
}

void Network::train(std::int64_t rows, std::int64_t step) {
  if (!surgery) return graph.train(rows);
  graph.forward(rows);
  surgery->backward(rows, step);
}

void Network::backward(std::int64_t rows, std::int64_t step) {
  if (surgery)
    surgery->backward(rows, step);
  else
    graph.backward(rows);
}

std::vector<double> Network::losses() const {
  std::vector<double> values(model.heads.size());
  report.download(values.data(), values.size() * sizeof(double), sizeof(kernels::GradientNorm));
  return values;
}

double Network::total(const std::vector<double>& losses) const {
  double sum = 0;
  for (std::size_t h = 0; h < losses.size(); ++h) sum += model.heads[h].scale * losses[h];
  return sum;
}

namespace {

std::string mebibytes(double bytes) {
  return fmt::format("{:.1f} MiB", bytes / (1 << 20));
}

std::string describe_tables(const Parameters& parameters) {
  std::string text = fmt::format("{:<28} {:>12} {:>8} {:>14}\n", "table", "rows", "width", "parameters");
  for (const EmbeddingTable& table : parameters.all_tables())
    text += fmt::format("{:<28} {:>12} {:>8} {:>14}\n", table.name(), table.rows(), table.width(),
                        table.rows() * table.width());
  return text;
}

}  // namespace

double mean_weight(const Dataset& dataset) {
  const std::vector<int> weights = dataset.schema().columns_of(ColumnKind::weight);
  const std::int64_t rows = dataset.rows(Split::train);
  if (weights.empty() || rows == 0) return 1;
  const auto column = static_cast<std::size_t>(weights.front());
  const double mean = dataset.stats(Split::train).columns[column].sum / static_cast<double>(rows);
  if (!(mean > 0) || !std::isfinite(mean))
    fail("{}: the weights of the training rows ('{}') have the mean {}; there is nothing to learn from", dataset.path(),
         dataset.schema().columns[column].name, mean);
  return mean;
}

std::string describe(const Network& training, const Parameters& parameters, std::int64_t dataset_rows) {
  std::string text = describe_tables(parameters);
  text += fmt::format("\n{:<28} {:<46} {:>10} {:>12}\n", "layer", "what", "parameters", "flops a row");
  double flops = 0;
  for (const OpInfo& op : training.graph.ops()) {
    text += fmt::format("{:<28} {:<46} {:>10} {:>12.0f}\n", op.name, op.kind, op.parameters, op.flops);
    flops += op.flops;
  }
  double table_bytes = 0;
  for (const EmbeddingTable& table : parameters.all_tables())
    table_bytes += static_cast<double>(table.rows() * table.row_stride()) * sizeof(float);
  text += fmt::format("\nparameters: {} in layers, {} in tables\n", parameters.dense_count(), parameters.table_count());
  text += fmt::format("flops: {:.3f} M a row forward, about {:.3f} M trained\n", flops / 1e6, 3 * flops / 1e6);
  text += fmt::format("memory: tables with optimiser state {}, activations {} (without sharing {})\n",
                      mebibytes(table_bytes), mebibytes(static_cast<double>(training.graph.arena_bytes())),
                      mebibytes(static_cast<double>(training.graph.unplanned_bytes())));
  const std::int64_t batch = training.graph.max_rows();
  text += fmt::format("data: {} training rows, {} steps of {} an epoch\n", dataset_rows,
                      (dataset_rows + batch - 1) / batch, batch);
  return text;
}

}  // namespace mal

// The network of `neural` (neural_network.h) as graphs of the engine: one that learns to tell conversions from
// controls, and one that only predicts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/device.h"
#include "engine/graph.h"
#include "engine/optimizer.h"
#include "engine/parameters.h"
#include "train/attribution/neural_network.h"
#include "train/attribution/neural_sample.h"

namespace mal {

class NeuralGraph {
 public:
  // threads: of the engine; 0: all cores. batch: the most rows of one call.
  NeuralGraph(std::uint64_t seed, std::uint32_t channels, std::size_t batch, int threads, double learning_rate);
  NeuralGraph(const NeuralGraph&) = delete;
  NeuralGraph& operator=(const NeuralGraph&) = delete;

  Optimizer optimizer(std::int64_t steps);  // the rate falls to 0 with the last of so many

  // base: what the network's output is added to, for the log of the hazard.
  void set(std::size_t row, const Moment& moment, double base);
  // Gradients of the loss, the mean over rows of ln(1 + exp(∓logit)), logit = base + network − log density.
  void train(std::size_t rows) { training_.train(static_cast<std::int64_t>(rows)); }
  double loss() const { return loss_; }  // of the last train()
  // Of the rows as they are set: the sum of the loss, in double.
  double predict_loss(std::size_t rows);

  const Graph& training() const { return training_; }
  const Parameters& parameters() const { return parameters_; }
  // All but the base. Throws if a number is not finite.
  void read(NeuralWeights& weights) const;

 private:
  struct Inputs {  // what the graphs read, of a batch
    explicit Inputs(std::size_t rows);
    std::vector<std::int32_t> channels, ages, lengths, query;
    std::vector<float> label, offset;
  };
  SparseOptimizerConfig sparse_config() const;
  Value record(Graph& graph, bool train);
  std::vector<float> read(std::string_view name) const;

  std::uint32_t channels_;
  double learning_rate_;
  Device device_;
  Inputs inputs_;
  double loss_ = 0;
  Parameters parameters_;
  Graph training_, predicting_;
  Value output_;
};

}  // namespace mal

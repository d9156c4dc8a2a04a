// Trains the networks of the mechanism `neural` on the engine. The same bits for any number of threads.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "train/attribution/neural_network.h"
#include "train/attribution/neural_sample.h"

namespace mal {

struct NeuralFit {
  std::vector<NeuralWeights> networks;
  NeuralFitReport report;
  // [network, epoch]; empty of a network that has no moments of both kinds to be judged by.
  std::vector<std::vector<double>> held_out_losses;
};

struct NeuralFitOptions {
  std::uint64_t seed = 1;
  int threads = 0;   // of the engine; 0: all cores
  int networks = 8;  // each with a seed of its own, and other users held out
  int epochs = 6;
  double learning_rate = 1e-2;
  std::function<void(std::uint64_t moments, std::uint64_t of, std::string_view detail)> progress = {};
};

// moments: of channels 0 … channels − 1, at least one.
NeuralFit fit_neural(const std::vector<Moment>& moments, std::uint32_t channels, const NeuralFitOptions& options);

}  // namespace mal

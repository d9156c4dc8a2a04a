// The network of `neural` in channel_model.json: a text of numbers with spaces between them a tensor, each the shortest
// that reads back as the same float.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "train/attribution/neural_network.h"

namespace mal {

nlohmann::ordered_json neural_json(const NeuralWeights& weights, std::size_t channels);
// path: for errors.
NeuralWeights neural_weights(const nlohmann::ordered_json& json, std::size_t channels, const std::string& path);

}  // namespace mal

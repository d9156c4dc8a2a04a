#include "train/attribution/neural_json.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <cmath>

#include "engine/error.h"

namespace mal {

namespace {

using nlohmann::ordered_json;

constexpr const char* kBase = "base";

}  // namespace

ordered_json neural_json(const NeuralWeights& weights, std::size_t channels) {
  ordered_json json = {{kBase, weights.base}};
  NeuralWeights copy = weights;
  for (const NeuralWeights::Tensor& tensor : copy.tensors(channels))
    json[std::string(tensor.name)] = fmt::format("{}", fmt::join(*tensor.values, " "));
  return json;
}

NeuralWeights neural_weights(const ordered_json& json, std::size_t channels, const std::string& path) {
  NeuralWeights weights;
  weights.base = json.at(kBase).get<double>();
  for (const NeuralWeights::Tensor& tensor : weights.tensors(channels)) {
    const std::string text = json.at(std::string(tensor.name)).get<std::string>();
    const char* at = text.data();
    const char* const end = at + text.size();
    while (at < end) {
      float value = 0;
      const auto [next, error] = std::from_chars(at, end, value);
      if (error != std::errc() || !std::isfinite(value) || (next != end && *next != ' '))
        fail("{}: '{}' of the neural network has something that is no finite number after {} numbers; fit it again",
             path, tensor.name, tensor.values->size());
      tensor.values->push_back(value);
      at = next == end ? end : next + 1;
    }
    if (tensor.values->size() != tensor.size)
      fail("{}: '{}' of the neural network has {} numbers, and {} channels want {}; fit it again", path, tensor.name,
           tensor.values->size(), channels, tensor.size);
  }
  return weights;
}

}  // namespace mal

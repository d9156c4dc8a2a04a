// Multi-layer perceptrons, and the towers that every model ends in.
#pragma once

#include <string>
#include <vector>

#include "engine/graph.h"
#include "engine/ops.h"
#include "engine/parameters.h"

namespace mal {

struct MlpOptions {
  kernels::Activation activation = kernels::Activation::relu;
  bool linear_last = false;  // no activation after the last layer
};

// Layers NAME/0, NAME/1, … of the given widths. No widths: x itself.
Value mlp(Graph& graph, Parameters& parameters, Value x, const std::vector<std::int64_t>& widths,
          const MlpOptions& options, const std::string& name);

struct Tower {
  std::vector<Value> hidden;  // every hidden layer
  Value penultimate;          // the last of them, or x: the conversion knowledge of MAL
  Value logits;               // [rows, outputs]
};

// mlp(x, widths), then a linear layer NAME/logit.
Tower tower(Graph& graph, Parameters& parameters, Value x, const std::vector<std::int64_t>& widths,
            std::int64_t outputs, kernels::Activation activation, const std::string& name);

}  // namespace mal

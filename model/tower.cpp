#include "model/tower.h"

#include <fmt/format.h>

namespace mal {

Value mlp(Graph& graph, Parameters& parameters, Value x, const std::vector<std::int64_t>& widths,
          const MlpOptions& options, const std::string& name) {
  for (std::size_t layer = 0; layer < widths.size(); ++layer) {
    const bool linear = options.linear_last && layer + 1 == widths.size();
    x = ops::linear(graph, parameters, x, widths[layer], linear ? kernels::Activation::none : options.activation,
                    fmt::format("{}/{}", name, layer));
  }
  return x;
}

Tower tower(Graph& graph, Parameters& parameters, Value x, const std::vector<std::int64_t>& widths,
            std::int64_t outputs, kernels::Activation activation, const std::string& name) {
  Tower tower;
  for (const std::int64_t width : widths) {
    x = ops::linear(graph, parameters, x, width, activation, fmt::format("{}/{}", name, tower.hidden.size()));
    tower.hidden.push_back(x);
  }
  tower.penultimate = x;
  tower.logits = ops::linear(graph, parameters, x, outputs, kernels::Activation::none, name + "/logit");
  return tower;
}

}  // namespace mal

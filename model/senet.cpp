#include "model/senet.h"

#include <algorithm>

#include "engine/ops.h"

namespace mal {

Value senet(Graph& graph, Parameters& parameters, Value x, const std::vector<std::int64_t>& fields,
            std::int64_t reduction, const std::string& name) {
  const auto count = static_cast<std::int64_t>(fields.size());
  const Value squeezed = ops::field_mean(graph, x, fields, name + "/squeeze");
  const Value hidden = ops::linear(graph, parameters, squeezed, std::max<std::int64_t>(1, count / reduction),
                                   kernels::Activation::relu, name + "/0");
  const Value logits = ops::linear(graph, parameters, hidden, count, kernels::Activation::none, name + "/1");
  return ops::field_scale(graph, x, logits, fields, name);
}

}  // namespace mal

// Knowledge injected layer by layer. With a_v,k the k-th hidden layer of another view's tower:
//   h ← act(W_k h);  h ← act(V_k [h; a_1,k; …; a_n,k] + h)     at each depth k of the primary tower
#include <fmt/format.h>

#include "model/tower.h"
#include "model/zoo/zoo.h"

namespace mal::zoo {

std::vector<Head> injected_towers(const ZooContext& context, const std::vector<Value>& inputs, double lambda,
                                  const std::string& name) {
  Graph& graph = context.graph;
  Parameters& parameters = context.parameters;
  const std::vector<std::int64_t>& widths = context.config.tower;
  const kernels::Activation activation = context.config.activation;
  const auto primary = static_cast<std::size_t>(context.primary);

  std::vector<Head> heads(1);
  std::vector<Tower> others;
  for (std::size_t v = 0; v < context.views.size(); ++v) {
    if (v == primary) continue;
    others.push_back(
        tower(graph, parameters, inputs[v], widths, 1, activation, fmt::format("{}/{}", name, context.views[v])));
    heads.push_back({"view/" + context.views[v],
                     others.back().logits,
                     ops::HeadKind::view,
                     {static_cast<int>(v)},
                     lambda * context.view_weight(v)});
  }

  Value h = inputs[primary];
  for (std::size_t k = 0; k < widths.size(); ++k) {
    h = ops::linear(graph, parameters, h, widths[k], activation, fmt::format("{}/primary/{}", name, k));
    std::vector<Value> parts = {h};
    for (const Tower& other : others) parts.push_back(other.hidden[k]);
    const std::string inject = fmt::format("{}/inject/{}", name, k);
    const Value all = ops::concat(graph, parts, inject + "/input");
    const Value taken = ops::linear(graph, parameters, all, widths[k], kernels::Activation::none, inject);
    h = ops::activate(graph, ops::add(graph, taken, h, inject + "/sum"), activation, inject + "/act");
  }
  const Value logit = ops::linear(graph, parameters, h, 1, kernels::Activation::none, name + "/primary/logit");
  heads.front() = {"primary", logit, ops::HeadKind::view, {context.primary}, 1.0};
  return heads;
}

}  // namespace mal::zoo

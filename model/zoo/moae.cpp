// moae: natal with a public and a private SENet-gated expert a view in place of the shared bottom (Wu et al. 2026).
//   x_t = [P; R_t];  P = MLP(senet(z)), one for all views;  R_t = MLP_t(senet_t(z))
#include "model/senet.h"
#include "model/tower.h"
#include "model/zoo/zoo.h"

namespace mal::zoo {

namespace {

Value gated_expert(const ZooContext& context, const std::string& name) {
  const Value gated = senet(context.graph, context.parameters, context.z, context.fields,
                            context.config.senet.reduction, name + "/senet");
  return mlp(context.graph, context.parameters, gated, context.config.moae.expert, {context.config.activation}, name);
}

}  // namespace

std::vector<Head> build_moae(const ZooContext& context) {
  const Value shared = gated_expert(context, "moae/public");
  std::vector<Value> inputs;
  for (std::size_t v = 0; v < context.views.size(); ++v) {
    const bool primary = static_cast<int>(v) == context.primary;
    const std::string name = "moae/private/" + (primary ? "primary" : context.views[v]);
    inputs.push_back(ops::concat(context.graph, {shared, gated_expert(context, name)}, name + "/input"));
  }
  return injected_towers(context, inputs, context.config.moae.lambda_view, "moae");
}

}  // namespace mal::zoo

// natal: v = MLP(z); a tower a view over v, and the other views' hidden layers injected into the primary one's.
#include "model/tower.h"
#include "model/zoo/zoo.h"

namespace mal::zoo {

std::vector<Head> build_natal(const ZooContext& context) {
  const ModelConfig& config = context.config;
  const Value v = mlp(context.graph, context.parameters, context.z, config.bottom, {config.activation}, "bottom");
  return injected_towers(context, std::vector<Value>(context.views.size(), v), config.natal.lambda_view, "natal");
}

}  // namespace mal::zoo

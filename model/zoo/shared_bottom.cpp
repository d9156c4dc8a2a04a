// shared_bottom: one bottom for all views, a tower each (Caruana'97; MAL §4.1.2).
//   chain = bottom ++ tower;  v = MLP(z) of its first `layers` layers;  ŷ_a = tower_a(v) of the rest
#include "engine/error.h"
#include "model/tower.h"
#include "model/zoo/zoo.h"

namespace mal::zoo {

std::vector<Head> build_shared_bottom(const ZooContext& context) {
  const ModelConfig& config = context.config;
  std::vector<std::int64_t> chain = config.bottom;
  chain.insert(chain.end(), config.tower.begin(), config.tower.end());
  const std::int64_t layers = config.shared_bottom.layers, all = static_cast<std::int64_t>(chain.size());
  if (layers < 1 || layers >= all)
    fail_usage(
        "model.shared_bottom.layers: {} of the {} layers of model.bottom and model.tower cannot be shared; a tower "
        "keeps at least one, choose 1 to {}",
        layers, all, all - 1);
  const Value v = mlp(context.graph, context.parameters, context.z, {chain.begin(), chain.begin() + layers},
                      {config.activation}, "bottom");
  return view_towers(context, std::vector<Value>(context.views.size(), v), {chain.begin() + layers, chain.end()});
}

}  // namespace mal::zoo

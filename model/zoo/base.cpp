// base: z → bottom → one tower → the primary view. The production baseline of MAL §4.1.2.
#include "model/tower.h"
#include "model/zoo/zoo.h"

namespace mal::zoo {

std::vector<Head> build_base(const ZooContext& context) {
  const ModelConfig& config = context.config;
  const Value bottom = mlp(context.graph, context.parameters, context.z, config.bottom, {config.activation}, "bottom");
  const Tower top = tower(context.graph, context.parameters, bottom, config.tower, 1, config.activation, "tower");
  return {{"primary", top.logits, ops::HeadKind::view, {context.primary}, 1.0}};
}

}  // namespace mal::zoo

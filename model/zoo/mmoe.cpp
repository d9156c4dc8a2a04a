// mmoe: experts that all tasks share, mixed by a softmax gate a task (Ma et al., KDD'18).
//   E_e = MLP_e(z);  x_a = Σ_e softmax(W_a z)_e E_e
#include <fmt/format.h>

#include "model/experts.h"
#include "model/zoo/zoo.h"

namespace mal::zoo {

std::vector<Value> share_mmoe(const ZooContext& context, const Tasks& tasks) {
  const MmoeConfig& config = context.config.mmoe;
  const std::string name = tasks.prefix + "mmoe";
  const std::vector<Value> experts = mlp_experts(context.graph, context.parameters, context.z, config.experts,
                                                 config.expert, context.config.activation, name + "/expert");
  Mixtures layer(context.graph, context.parameters, name);
  for (const std::string& task : tasks.names) {
    layer.output(fmt::format("{}/{}", name, task));
    layer.softmax(fmt::format("{}/gate/{}", name, task), context.z, experts);
  }
  return layer.record();
}

std::vector<Head> build_mmoe(const ZooContext& context) {
  return view_towers(context, share_mmoe(context, {context.views, ""}), context.config.tower);
}

}  // namespace mal::zoo

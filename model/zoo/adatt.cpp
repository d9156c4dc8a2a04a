// adatt: adaptive task-to-task fusion, its variant without shared experts (AdaTT-sp; Li et al., KDD'23). x_a = z first;
//   x_a' = Σ softmax(W_a x_a) · [every task's experts of x_t]  +  Σ_e native_a,e · (own expert e)
#include <fmt/format.h>

#include "model/experts.h"
#include "model/zoo/zoo.h"

namespace mal::zoo {

std::vector<Head> build_adatt(const ZooContext& context) {
  const AdattConfig& config = context.config.adatt;
  std::vector<Value> x(context.views.size(), context.z);
  for (std::int64_t level = 0; level < config.layers; ++level) {
    const std::string name = fmt::format("adatt/{}", level);
    std::vector<std::vector<Value>> own;
    std::vector<Value> all;
    for (std::size_t v = 0; v < x.size(); ++v) {
      own.push_back(mlp_experts(context.graph, context.parameters, x[v], config.experts, config.expert,
                                context.config.activation, fmt::format("{}/{}", name, context.views[v])));
      all = joined(all, own.back());
    }
    Mixtures layer(context.graph, context.parameters, name);
    for (std::size_t v = 0; v < x.size(); ++v) {
      const std::string& view = context.views[v];
      layer.output(fmt::format("{}/{}/mixed", name, view));
      layer.softmax(fmt::format("{}/gate/{}", name, view), x[v], all);
      layer.native(fmt::format("{}/native/{}", name, view), own[v]);
    }
    x = layer.record();
  }
  return view_towers(context, x, context.config.tower);
}

}  // namespace mal::zoo

// ple: progressive layered extraction (Tang et al., RecSys'20). Every task has experts of its own beside the shared
// ones, and sees no other task's but through the shared experts of the level below. With x_a = x_s = z at level 0:
//   x_a' = Σ softmax(W_a x_a) · [own experts of x_a, shared experts of x_s]
//   x_s' = Σ softmax(W_s x_s) · [every task's experts, shared experts]         (the last level needs none)
#include <fmt/format.h>

#include "model/experts.h"
#include "model/zoo/zoo.h"

namespace mal::zoo {

std::vector<Value> share_ple(const ZooContext& context, const Tasks& tasks) {
  const PleConfig& config = context.config.ple;
  const auto experts = [&](Value x, std::int64_t count, const std::string& name) {
    return mlp_experts(context.graph, context.parameters, x, count, config.expert, context.config.activation, name);
  };
  std::vector<Value> x(tasks.names.size(), context.z);
  Value x_shared = context.z;
  for (std::int64_t level = 0; level < config.layers; ++level) {
    const std::string name = fmt::format("{}ple/{}", tasks.prefix, level);
    std::vector<std::vector<Value>> own;
    std::vector<Value> all;
    for (std::size_t t = 0; t < x.size(); ++t) {
      own.push_back(experts(x[t], config.view_experts, name + "/" + tasks.names[t]));
      all = joined(all, own.back());
    }
    const std::vector<Value> shared = experts(x_shared, config.shared_experts, name + "/shared");

    Mixtures layer(context.graph, context.parameters, name);
    for (std::size_t t = 0; t < x.size(); ++t) {
      layer.output(name + "/" + tasks.names[t]);
      layer.softmax(name + "/gate/" + tasks.names[t], x[t], joined(own[t], shared));
    }
    const bool last = level + 1 == config.layers;
    if (!last) {
      layer.output(name + "/shared");
      layer.softmax(name + "/gate/shared", x_shared, joined(all, shared));
    }
    x = layer.record();
    if (last) break;
    x_shared = x.back();
    x.pop_back();
  }
  return x;
}

std::vector<Head> build_ple(const ZooContext& context) {
  return view_towers(context, share_ple(context, {context.views, ""}), context.config.tower);
}

}  // namespace mal::zoo

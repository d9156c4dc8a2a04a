// home: hierarchy of multi-gate experts (Wang et al. 2024). Views fall into groups; a task sees its own group's experts
// and the global ones, never another group's but through the level below.
//   expert(x) = swish(BN(W (x ⊙ 2σ((x A) Bᵀ))));  self(x) = σ(linear x), or a softmax over several own experts
//   level 1, over z:    m_g = Σ gate(z) · [group g, global] + Σ self(z) · group g,   one a group
//                       m_s = Σ gate(z) · [every group, global] + Σ self(z) · global
//   level 2, q = [m_g; m_s]:  x_a = Σ gate(q) · [task a, group g(a), global] + Σ self(q) · task a
#include <algorithm>

#include "engine/error.h"
#include "model/experts.h"
#include "model/zoo/zoo.h"

namespace mal::zoo {

namespace {

using Names = std::vector<std::string>;

constexpr float kMomentum = 0.1F, kEpsilon = 1e-5F;  // of torch.nn.BatchNorm1d

bool holds(const Names& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

// The views' groups as configured, without views that are no task; the default is single-touch and multi-touch.
std::vector<Names> groups_of(const ZooContext& context, const Names& tasks) {
  std::vector<Names> groups = context.config.home.groups;
  for (const Names& group : groups)
    for (const std::string& view : group) find_view(context.views, view, "model.home.groups");
  if (groups.empty()) {
    groups.resize(2);
    for (const std::string& view : context.views) groups[view == "last" || view == "first" ? 0 : 1].push_back(view);
  }
  for (const std::string& task : tasks) {
    const auto count = std::ranges::count_if(groups, [&](const Names& group) { return holds(group, task); });
    const bool view = holds(context.views, task);
    if (!view) groups.push_back({task});  // mal's "cat" is a group of its own
    if (view && count != 1)
      fail_usage("model.home.groups: the view '{}' is in {} groups; name each view in one", task, count);
  }
  for (Names& group : groups) std::erase_if(group, [&](const std::string& view) { return !holds(tasks, view); });
  std::erase_if(groups, [](const Names& group) { return group.empty(); });
  return groups;
}

// Experts NAME/0, NAME/1, … of x.
std::vector<Value> experts_of(const ZooContext& context, Value x, const std::string& name) {
  const HomeConfig& config = context.config.home;
  std::vector<Value> experts;
  for (std::int64_t e = 0; e < config.experts; ++e) {
    const std::string expert = fmt::format("{}/{}", name, e);
    const Value gated = ops::feature_gate(context.graph, context.parameters, x, config.rank, expert);
    const Value inner = ops::projection(context.graph, context.parameters, gated, config.expert, expert);
    experts.push_back(
        ops::batch_norm_swish(context.graph, context.parameters, inner, kMomentum, kEpsilon, expert + "/norm"));
  }
  return experts;
}

// m_g of every group, then m_s.
std::vector<Value> meta_level(const ZooContext& context, std::size_t groups, const std::string& name) {
  const Value z = context.z;
  std::vector<std::vector<Value>> of_group;
  std::vector<Value> all;
  for (std::size_t g = 0; g < groups; ++g) {
    of_group.push_back(experts_of(context, z, fmt::format("{}/group{}", name, g)));
    all = joined(all, of_group.back());
  }
  const std::vector<Value> global = experts_of(context, z, name + "/global");
  Mixtures layer(context.graph, context.parameters, name);
  for (std::size_t g = 0; g < groups; ++g) {
    layer.output(fmt::format("{}/m{}", name, g));
    layer.softmax(fmt::format("{}/gate/group{}", name, g), z, joined(of_group[g], global));
    layer.self(fmt::format("{}/self/group{}", name, g), z, of_group[g]);
  }
  layer.output(name + "/m_global");
  layer.softmax(name + "/gate/global", z, joined(all, global));
  layer.self(name + "/self/global", z, global);
  return layer.record();
}

}  // namespace

std::vector<Value> share_home(const ZooContext& context, const Tasks& tasks) {
  const std::vector<Names> groups = groups_of(context, tasks.names);
  const std::vector<Value> m = meta_level(context, groups.size(), tasks.prefix + "home/meta");
  const Value m_global = m.back();

  const std::string name = tasks.prefix + "home/view";
  const std::vector<Value> global = experts_of(context, m_global, name + "/global");
  Mixtures layer(context.graph, context.parameters, name);
  Names order;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const std::vector<Value> of_group = experts_of(context, m[g], fmt::format("{}/group{}", name, g));
    const Value q = ops::concat(context.graph, {m[g], m_global}, fmt::format("{}/q{}", name, g));
    for (const std::string& task : groups[g]) {
      const std::vector<Value> own = experts_of(context, m[g], fmt::format("{}/{}", name, task));
      layer.output(fmt::format("{}/{}/mixed", name, task));
      layer.softmax(fmt::format("{}/gate/{}", name, task), q, joined(joined(own, of_group), global));
      layer.self(fmt::format("{}/self/{}", name, task), q, own);
      order.push_back(task);
    }
  }
  const std::vector<Value> mixed = layer.record();
  std::vector<Value> x;
  for (const std::string& task : tasks.names)
    x.push_back(mixed[static_cast<std::size_t>(std::ranges::find(order, task) - order.begin())]);
  return x;
}

std::vector<Head> build_home(const ZooContext& context) {
  return view_towers(context, share_home(context, {context.views, ""}), context.config.tower);
}

}  // namespace mal::zoo

// mal: attribution knowledge aggregator (AKA) + Cartesian auxiliary training (CAT) + primary target predictor (PTP).
//   AKA   v_a = MLP_aka(z), or what another way of sharing makes (`aka`: mmoe, ple, home; MAL §3.3.2);
//         tower a: v_a → K^a → ŷ_a;  CAT tower: v_CAT → K^CAT → 2^N logits
//   PTP   v_p = MLP_ptp(z);  v_a = MLP_k([K^a1; …; K^aN; K^CAT]), last layer linear;  ŷ = head(v_p + v_a)
// MAL §3; every size and ablation is a key of the configuration (MODELS.md §3).
#include <algorithm>
#include <array>

#include "engine/error.h"
#include "model/tower.h"
#include "model/zoo/zoo.h"

namespace mal::zoo {

namespace {

constexpr std::size_t kMaxCartesianViews = 12;

std::vector<int> supervising_views(const ZooContext& context) {
  std::vector<int> views;
  for (const std::string& view : context.config.mal.views)
    views.push_back(find_view(context.views, view, "model.mal.views"));
  if (views.empty())
    for (std::size_t v = 0; v < context.views.size(); ++v) views.push_back(static_cast<int>(v));
  return views;
}

struct Aka {
  std::vector<Head> heads;
  std::vector<Value> knowledge;  // K^a, in the order of the views, then K^CAT
};

std::vector<Value> share_bottom(const ZooContext& context, const Tasks& tasks) {
  const Value v = mlp(context.graph, context.parameters, context.z, context.config.mal.aka_bottom,
                      {context.config.activation}, tasks.prefix + "bottom");
  return std::vector<Value>(tasks.names.size(), v);
}

struct Sharing {
  const char* type;
  std::vector<Value> (*share)(const ZooContext& context, const Tasks& tasks);
};
constexpr std::array kSharings = {
    Sharing{"shared_bottom", share_bottom},
    Sharing{"mmoe", share_mmoe},
    Sharing{"ple", share_ple},
    Sharing{"home", share_home},
};

// One vector a task.
std::vector<Value> share(const ZooContext& context, const Tasks& tasks) {
  const auto* const sharing = std::ranges::find(kSharings, context.config.mal.aka, &Sharing::type);
  if (sharing == kSharings.end())
    fail_usage("model.mal.aka '{}' is not known; this version has: {}", context.config.mal.aka,
               fmt::join(aka_types(), ", "));
  return sharing->share(context, tasks);
}

Aka build_aka(const ZooContext& context) {
  const ModelConfig& config = context.config;
  const std::vector<int> views = supervising_views(context);
  if (config.mal.cat && views.size() > kMaxCartesianViews)
    fail_usage(
        "model.mal.cat: a softmax over 2^{} classes is refused above {} views; choose fewer in model.mal.views, "
        "or set model.mal.cat: false",
        views.size(), kMaxCartesianViews);
  Tasks tasks{{}, "aka/"};
  for (const int view : views) tasks.names.push_back(context.views[static_cast<std::size_t>(view)]);
  if (config.mal.cat) tasks.names.emplace_back("cat");
  const std::vector<Value> vectors = share(context, tasks);

  Aka aka;
  const auto add_tower = [&](std::size_t task, std::int64_t outputs) {
    const std::string name = tasks.prefix + tasks.names[task];
    const Tower t =
        tower(context.graph, context.parameters, vectors[task], config.tower, outputs, config.activation, name);
    aka.knowledge.push_back(t.penultimate);
    return Head{name, t.logits, ops::HeadKind::view, {}, 0};
  };
  std::vector<int> labels;
  for (std::size_t k = 0; k < views.size(); ++k) {
    // "w/o multiple attributions": every tower, and CAT with them, learns the primary target.
    labels.push_back(config.mal.view_labels == ViewLabels::primary ? context.primary : views[k]);
    Head& head = aka.heads.emplace_back(add_tower(k, 1));
    head.labels = {labels.back()};
    head.scale = config.mal.lambda_view * context.view_weight(static_cast<std::size_t>(views[k]));
  }
  if (!config.mal.cat) return aka;
  Head& cat = aka.heads.emplace_back(add_tower(views.size(), std::int64_t{1} << views.size()));
  cat.kind = ops::HeadKind::cartesian;
  cat.labels = labels;
  cat.scale = config.mal.lambda_cat;
  return aka;
}

}  // namespace

std::vector<Head> build_mal(const ZooContext& context) {
  const ModelConfig& config = context.config;
  Graph& graph = context.graph;
  Aka aka = build_aka(context);
  if (config.mal.detach_knowledge)
    for (Value& knowledge : aka.knowledge) knowledge = ops::detach(graph, knowledge);

  const Value v_p = mlp(graph, context.parameters, context.z, config.mal.ptp, {config.activation}, "ptp/bottom");
  const Value k = ops::concat(graph, aka.knowledge, "knowledge");
  const Value v_a = mlp(graph, context.parameters, k, config.mal.knowledge, {config.activation, true}, "ptp/knowledge");
  const Value v_fusion = ops::add(graph, v_p, v_a, "ptp/fusion");
  const Tower head = tower(graph, context.parameters, v_fusion, config.mal.head, 1, config.activation, "ptp/head");

  std::vector<Head> heads = {{"primary", head.logits, ops::HeadKind::view, {context.primary}, 1.0}};
  heads.insert(heads.end(), aka.heads.begin(), aka.heads.end());
  return heads;
}

}  // namespace mal::zoo

namespace mal {

std::vector<std::string> aka_types() {
  std::vector<std::string> types(zoo::kSharings.size());
  std::ranges::transform(zoo::kSharings, types.begin(), &zoo::Sharing::type);
  return types;
}

}  // namespace mal

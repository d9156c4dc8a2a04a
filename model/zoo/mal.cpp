// mal: attribution knowledge aggregator (AKA) + Cartesian auxiliary training (CAT) + primary target predictor (PTP).
//   AKA   v = MLP_aka(z);  tower a: v → K^a → ŷ_a;  CAT tower: v → K^CAT → 2^N logits
//   PTP   v_p = MLP_ptp(z);  v_a = MLP_k([K^a1; …; K^aN; K^CAT]), last layer linear;  ŷ = head(v_p + v_a)
// MAL §3; every size and ablation is a key of the configuration (MODELS.md §3).
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

Aka build_aka(const ZooContext& context) {
  const ModelConfig& config = context.config;
  const std::vector<int> views = supervising_views(context);
  const Value v =
      mlp(context.graph, context.parameters, context.z, config.mal.aka_bottom, {config.activation}, "aka/bottom");
  Aka aka;
  std::vector<int> labels;
  for (const int view : views) {
    const std::string name = "aka/" + context.views[static_cast<std::size_t>(view)];
    const Tower t = tower(context.graph, context.parameters, v, config.tower, 1, config.activation, name);
    // "w/o multiple attributions": every tower, and CAT with them, learns the primary target.
    labels.push_back(config.mal.view_labels == ViewLabels::primary ? context.primary : view);
    aka.heads.push_back({name, t.logits, ops::HeadKind::view, {labels.back()}, config.mal.lambda_view});
    aka.knowledge.push_back(t.penultimate);
  }
  if (!config.mal.cat) return aka;
  if (views.size() > kMaxCartesianViews)
    fail_usage(
        "model.mal.cat: a softmax over 2^{} classes is refused above {} views; choose fewer in model.mal.views, "
        "or set model.mal.cat: false",
        views.size(), kMaxCartesianViews);
  const std::int64_t classes = std::int64_t{1} << views.size();
  const Tower cat = tower(context.graph, context.parameters, v, config.tower, classes, config.activation, "aka/cat");
  aka.heads.push_back({"aka/cat", cat.logits, ops::HeadKind::cartesian, labels, config.mal.lambda_cat});
  aka.knowledge.push_back(cat.penultimate);
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

#include "model/registry.h"

#include <algorithm>
#include <array>

#include "engine/error.h"
#include "model/zoo/zoo.h"

namespace mal {

namespace {

struct Entry {
  const char* type;
  std::vector<Head> (*build)(const ZooContext& context);
};

constexpr std::array kModels = {
    Entry{"base", zoo::build_base},                    // the primary view alone
    Entry{"shared_bottom", zoo::build_shared_bottom},  // Caruana'97
    Entry{"mmoe", zoo::build_mmoe},                    // Ma et al., KDD'18
    Entry{"ple", zoo::build_ple},                      // Tang et al., RecSys'20
    Entry{"home", zoo::build_home},                    // Wang et al. 2024
    Entry{"adatt", zoo::build_adatt},                  // Li et al., KDD'23
    Entry{"natal", zoo::build_natal},                  // knowledge injected layer by layer
    Entry{"moae", zoo::build_moae},                    // Wu et al. 2026
    Entry{"mal", zoo::build_mal},                      // MAL §3
};

std::string join(const std::vector<std::string>& words) {
  return fmt::format("{}", fmt::join(words, ", "));
}

ops::LossHead loss_head(const Head& head, std::int64_t column) {
  ops::LossHead loss{};
  loss.kind = head.kind;
  loss.column = static_cast<std::int32_t>(column);
  loss.view_count = static_cast<std::int32_t>(head.labels.size());
  for (std::size_t k = 0; k < head.labels.size(); ++k) loss.views[k] = head.labels[k];
  loss.scale = static_cast<float>(head.scale);
  return loss;
}

}  // namespace

std::vector<std::string> model_types() {
  std::vector<std::string> types(kModels.size());
  std::ranges::transform(kModels, types.begin(), &Entry::type);
  return types;
}

Model build_model(Graph& graph, Parameters& parameters, const Schema& schema, const ModelConfig& config) {
  const auto* const entry = std::ranges::find(kModels, config.type, &Entry::type);
  if (entry == kModels.end())
    fail_usage("model.type '{}' is not known; this version has: {}", config.type, join(model_types()));
  const std::vector<std::string> views = schema.views();
  const int primary = find_view(views, config.primary, "model.primary");
  if (!config.view_weights.empty() && config.view_weights.size() != views.size())
    fail_usage("model.view_weights: {} numbers for {} views; give one for each of {}, in this order",
               config.view_weights.size(), views.size(), join(views));

  Model model;
  model.inputs = add_inputs(graph, schema);
  const Trunk trunk = build_trunk(graph, parameters, schema, model.inputs, config);
  model.z = trunk.z;
  model.heads = entry->build({graph, parameters, config, views, primary, trunk.z, trunk.fields});

  std::vector<Value> logits;
  std::int64_t column = 0;
  for (const Head& head : model.heads) {
    logits.push_back(head.logits);
    model.loss_heads.push_back(loss_head(head, column));
    column += graph.width(head.logits);
  }
  model.logits = ops::concat(graph, logits, "logits");
  graph.keep(model.logits);
  if (graph.training()) {
    std::vector<Input> credits;
    for (const int c : schema.columns_of(ColumnKind::credit))
      credits.push_back(model.inputs.columns[static_cast<std::size_t>(c)]);
    model.credits = ops::input_values(graph, credits, "credits");
    for (const int c : schema.columns_of(ColumnKind::weight))
      model.weights = ops::input_values(graph, {model.inputs.columns[static_cast<std::size_t>(c)]}, "weights");
  }
  return model;
}

int find_view(const std::vector<std::string>& views, const std::string& view, const std::string& key) {
  const auto found = std::ranges::find(views, view);
  if (found == views.end()) fail_usage("{}: the dataset has no view '{}'; its views are {}", key, view, join(views));
  return static_cast<int>(found - views.begin());
}

}  // namespace mal

#include "train/config/config_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "model/registry.h"

namespace mal {

namespace {

constexpr std::int64_t kMaxInteger = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMaxBatch = std::int64_t{1} << 22;
constexpr std::int64_t kMaxSteps = 1'000'000'000;
constexpr std::int64_t kMaxExperts = 64, kMaxLevels = 16, kMaxLayersOfList = 16, kMaxWidth = 65'536;
constexpr double kMaxWeight = 1000;
constexpr std::size_t kMaxCartesianViews = 12;  // MODELS.md §1
// Values are used as fp32: these bounds keep a rate from becoming 0 or infinite there, and a β below 1.
constexpr double kMinRate = 1e-12, kMaxRate = 1e3, kMinEpsilon = 1e-20, kMaxBeta = 0.999999, kMaxPenalty = 1e3;

template <typename Enum>
using Names = std::vector<std::pair<std::string, Enum>>;

// A key whose value is one of an enumeration's names.
template <typename Enum>
void visit_enum(ConfigVisitor& visitor, std::string_view key, Enum& value, const Names<Enum>& names) {
  std::vector<std::string> choices;
  for (const auto& [name, meaning] : names) choices.push_back(name);
  const auto current = std::ranges::find(names, value, &std::pair<std::string, Enum>::second);
  auto index = static_cast<std::size_t>(current - names.begin());
  visitor.choice(key, index, choices);
  value = names.at(index).second;
}

// A key whose value is one of the names that a registry knows.
void visit_name(ConfigVisitor& visitor, std::string_view key, std::string& name,
                const std::vector<std::string>& names) {
  auto index = static_cast<std::size_t>(std::ranges::find(names, name) - names.begin());
  visitor.choice(key, index, names);
  name = names.at(index);
}

void visit_interaction(ConfigVisitor& visitor, InteractionConfig& config, std::int64_t embedding_dim) {
  visit_enum<Attention>(visitor, "attention", config.attention,
                        {{"din", Attention::din}, {"mha", Attention::mha}, {"none", Attention::none}});
  visitor.integer("din_hidden", config.din_hidden, 1, 4096);
  visitor.flag("softmax", config.softmax);
  if (config.attention != Attention::mha) {
    visitor.refuse("heads", "has no effect without attention: mha");
    return;
  }
  visitor.integer("heads", config.heads, 1, 1024);
  visitor.check(embedding_dim % config.heads == 0, "heads",
                fmt::format("model.embedding_dim {} does not divide into {} heads; choose a divisor of it",
                            embedding_dim, config.heads));
}

void visit_simtier(ConfigVisitor& visitor, SimTierConfig& config) {
  visit_enum<SimTier>(visitor, "mode", config.mode,
                      {{"embedding", SimTier::embedding}, {"count", SimTier::count}, {"none", SimTier::none}});
  visitor.integer("tiers", config.tiers, 1, 4096);
  visitor.integer("dim", config.dim, 1, 256);
  visitor.flag("log1p", config.log1p);
}

void visit_mal(ConfigVisitor& visitor, MalConfig& config) {
  visitor.names("views", config.views);
  visit_enum<ViewLabels>(visitor, "view_labels", config.view_labels,
                         {{"own", ViewLabels::own}, {"primary", ViewLabels::primary}});
  visitor.flag("cat", config.cat);
  visitor.check(!config.cat || config.views.size() <= kMaxCartesianViews, "views",
                fmt::format("{} views are too many for the 2^N classes of CAT, the limit is {}; choose fewer, or set "
                            "model.mal.cat: false",
                            config.views.size(), kMaxCartesianViews));
  visitor.flag("detach_knowledge", config.detach_knowledge);
  visitor.number("lambda_view", config.lambda_view, 0, kMaxWeight);
  visitor.number("lambda_cat", config.lambda_cat, 0, kMaxWeight);
  visit_name(visitor, "aka", config.aka, aka_types());
  if (config.aka == "shared_bottom")
    visitor.widths("aka_bottom", config.aka_bottom, 0);
  else
    visitor.refuse("aka_bottom", fmt::format("has no effect on aka: {}, whose experts read the input", config.aka));
  visitor.widths("ptp", config.ptp, 1);
  visitor.widths("knowledge", config.knowledge, 1);
  const bool fits = !config.ptp.empty() && !config.knowledge.empty() && config.ptp.back() == config.knowledge.back();
  visitor.check(fits, "knowledge", "its last width must equal the last one of model.mal.ptp, their outputs are added");
  visitor.widths("head", config.head, 0);
}

// A section of the keys of one way of sharing: of the model of that name, and of mal with it as `aka`.
template <typename Body>
void visit_sharing(ConfigVisitor& visitor, const ModelConfig& config, const std::string& name, const Body& body) {
  if (config.type == name || (config.type == "mal" && config.mal.aka == name))
    visitor.section(name, body);
  else
    visitor.refuse(name, fmt::format("has no effect on type: {}; remove it, or set model.type: {}", config.type, name));
}

void visit_sharings(ConfigVisitor& visitor, ModelConfig& config) {
  visit_sharing(visitor, config, "mmoe", [&](ConfigVisitor& v) {
    v.integer("experts", config.mmoe.experts, 1, kMaxExperts);
    v.widths("expert", config.mmoe.expert, 1);
  });
  visit_sharing(visitor, config, "ple", [&](ConfigVisitor& v) {
    v.integer("layers", config.ple.layers, 1, kMaxLevels);
    v.integer("view_experts", config.ple.view_experts, 1, kMaxExperts);
    v.integer("shared_experts", config.ple.shared_experts, 1, kMaxExperts);
    v.widths("expert", config.ple.expert, 1);
  });
  visit_sharing(visitor, config, "home", [&](ConfigVisitor& v) {
    v.integer("experts", config.home.experts, 1, kMaxExperts);
    v.integer("expert", config.home.expert, 1, kMaxWidth);
    v.integer("rank", config.home.rank, 1, 256);
    v.name_lists("groups", config.home.groups);
  });
  visit_sharing(visitor, config, "adatt", [&](ConfigVisitor& v) {
    v.integer("layers", config.adatt.layers, 1, kMaxLevels);
    v.integer("experts", config.adatt.experts, 1, kMaxExperts);
    v.widths("expert", config.adatt.expert, 1);
  });
  visit_sharing(visitor, config, "natal",
                [&](ConfigVisitor& v) { v.number("lambda_view", config.natal.lambda_view, 0, kMaxWeight); });
  visit_sharing(visitor, config, "moae", [&](ConfigVisitor& v) {
    v.widths("expert", config.moae.expert, 1);
    v.number("lambda_view", config.moae.lambda_view, 0, kMaxWeight);
  });
}

// What lies between the trunk and the towers.
void visit_body(ConfigVisitor& visitor, ModelConfig& config) {
  const std::string& type = config.type;
  const auto is = [&](std::initializer_list<const char*> types) {
    return std::ranges::find(types, type) != types.end();
  };
  if (is({"base", "shared_bottom", "natal"}))
    visitor.widths("bottom", config.bottom, 0);
  else if (type == "mal")
    visitor.refuse("bottom", "has no effect on type: mal; its layers are model.mal.aka_bottom and model.mal.ptp");
  else
    visitor.refuse("bottom", fmt::format("has no effect on type: {}, whose experts read the input", type));
  if (type == "mal")
    visitor.section("mal", [&](ConfigVisitor& v) { visit_mal(v, config.mal); });
  else
    visitor.refuse("mal", fmt::format("has no effect on type: {}; remove it, or set model.type: mal", type));
  if (type == "shared_bottom") {
    const std::size_t all = config.bottom.size() + config.tower.size();
    visitor.section("shared_bottom", [&](ConfigVisitor& v) {
      v.integer("layers", config.shared_bottom.layers, 1, 2 * kMaxLayersOfList);
      v.check(config.shared_bottom.layers < static_cast<std::int64_t>(all), "layers",
              fmt::format("of the {} layers of model.bottom and model.tower at least one is left to the towers", all));
    });
  } else {
    visitor.refuse("shared_bottom",
                   fmt::format("has no effect on type: {}; remove it, or set model.type: shared_bottom", type));
  }
  visit_sharings(visitor, config);
  if (type == "base")
    visitor.refuse("view_weights", "has no effect on type: base, which learns the primary view alone");
  else
    visitor.numbers("view_weights", config.view_weights, 0, kMaxWeight);
}

void visit_model(ConfigVisitor& visitor, ModelConfig& config) {
  visit_name(visitor, "type", config.type, model_types());
  visitor.text("primary", config.primary);
  visitor.check(!config.primary.empty(), "primary", "name a view of the data set, such as last");
  visitor.integer("embedding_dim", config.embedding_dim, 1, 1024);
  visitor.number("embedding_init_std", config.embedding_init_std, 0, 100);
  visitor.section("interaction",
                  [&](ConfigVisitor& v) { visit_interaction(v, config.interaction, config.embedding_dim); });
  visitor.section("simtier", [&](ConfigVisitor& v) { visit_simtier(v, config.simtier); });
  visitor.section("senet", [&](ConfigVisitor& v) {
    v.flag("enabled", config.senet.enabled);
    if (config.senet.enabled || config.type == "moae")
      v.integer("reduction", config.senet.reduction, 1, kMaxWidth);
    else
      v.refuse("reduction", "has no effect without senet.enabled, or type: moae");
  });
  visitor.flag("layer_norm", config.layer_norm);
  visitor.number("layer_norm_eps", config.layer_norm_eps, 1e-12, 1);
  visitor.widths("tower", config.tower, 1);
  visit_enum<kernels::Activation>(visitor, "activation", config.activation,
                                  {{"relu", kernels::Activation::relu}, {"none", kernels::Activation::none}});
  visit_body(visitor, config);
}

void visit_train(ConfigVisitor& visitor, TrainConfig& config, ScheduleConfig& schedule, const std::string& type) {
  visitor.integer("epochs", config.epochs, 1, 10'000);
  visitor.integer("batch_size", config.batch_size, 1, kMaxBatch);
  visit_enum<kernels::Reduction>(visitor, "reduction", config.reduction,
                                 {{"mean", kernels::Reduction::mean},
                                  {"sum", kernels::Reduction::sum},
                                  {"weight_mean", kernels::Reduction::weight_mean}});
  if (type == "base")
    visitor.refuse("multi_task", "has no effect on type: base, which has one loss");
  else
    visit_enum<MultiTask>(visitor, "multi_task", config.multi_task,
                          {{"none", MultiTask::none}, {"pcgrad", MultiTask::pcgrad}, {"gcs", MultiTask::gcs}});
  visit_enum<kernels::Precision>(
      visitor, "precision", config.precision,
      {{"fp32", kernels::Precision::fp32}, {"tf32", kernels::Precision::tf32}, {"bf16", kernels::Precision::bf16}});
  visitor.integer("threads", config.threads, 0, 1024);
  visitor.integer("log_every", config.log_every, 1, kMaxSteps);
  visitor.integer("checkpoint_every", config.checkpoint_every, 0, kMaxSteps);
  visitor.number("checkpoint_minutes", config.checkpoint_minutes, 0, 1e6);
  visitor.flag("keep_checkpoint", config.keep_checkpoint);
  visitor.number("clip_norm", schedule.clip_norm, 0, 1e6);
  visitor.integer("warmup_steps", schedule.warmup_steps, 0, kMaxSteps);
  visit_enum<Schedule>(visitor, "schedule", schedule.kind,
                       {{"constant", Schedule::constant}, {"cosine", Schedule::cosine}});
  visitor.integer("eval_batch_size", config.eval_batch_size, 1, kMaxBatch);
}

// The keys of an optimiser that its rule reads; the others are refused, because a rate or penalty that is silently
// ignored costs days.
struct OptimizerValues {
  double &learning_rate, &beta1, &beta2, &epsilon;
  double* l1;  // null: no rule of this group has it
  double &l2, &momentum;
  double* beta;
  double& initial_accumulator;
};

void visit_optimizer(ConfigVisitor& visitor, const OptimizerValues& values, const std::string& type,
                     const std::vector<std::string>& used) {
  const auto uses = [&](std::string_view key) { return std::ranges::find(used, key) != used.end(); };
  const auto number = [&](std::string_view key, double* value, double min, double max) {
    if (uses(key) && value != nullptr)
      visitor.number(key, *value, min, max);
    else
      visitor.refuse(key, fmt::format("has no effect on type: {}, whose keys are {}", type, fmt::join(used, ", ")));
  };
  number("lr", &values.learning_rate, kMinRate, kMaxRate);
  number("alpha", &values.learning_rate, kMinRate, kMaxRate);
  number("beta", values.beta, 0, kMaxRate);
  number("beta1", &values.beta1, 0, kMaxBeta);
  number("beta2", &values.beta2, 0, kMaxBeta);
  number("eps", &values.epsilon, kMinEpsilon, 1);
  number("l1", values.l1, 0, kMaxPenalty);
  number("l2", &values.l2, 0, kMaxPenalty);
  number("momentum", &values.momentum, 0, kMaxBeta);
  number("initial_accumulator", &values.initial_accumulator, 0, 1e6);
}

std::vector<std::string> keys_of(const std::string& type) {
  if (type == "sgd") return {"lr", "l2", "momentum"};
  if (type == "ftrl") return {"alpha", "beta", "l1", "l2", "initial_accumulator"};
  if (type == "adagrad" || type == "rowwise_adagrad") return {"lr", "eps", "l2", "initial_accumulator"};
  return {"lr", "beta1", "beta2", "eps", "l2"};  // the Adam family
}

template <typename Rule>
std::string name_of(const Names<Rule>& names, Rule rule) {
  return std::ranges::find(names, rule, &std::pair<std::string, Rule>::second)->first;
}

void visit_dense(ConfigVisitor& visitor, DenseOptimizerConfig& config) {
  using kernels::DenseRule;
  const Names<DenseRule> names = {
      {"adam", DenseRule::adam}, {"adamw", DenseRule::adamw}, {"adagrad", DenseRule::adagrad}, {"sgd", DenseRule::sgd}};
  visit_enum(visitor, "type", config.rule, names);
  const std::string type = name_of(names, config.rule);
  visit_optimizer(visitor,
                  {config.learning_rate, config.beta1, config.beta2, config.epsilon, nullptr, config.l2,
                   config.momentum, nullptr, config.initial_accumulator},
                  type, keys_of(type));
}

void visit_sparse(ConfigVisitor& visitor, SparseOptimizerConfig& config) {
  using kernels::SparseRule;
  const Names<SparseRule> names = {{"lazy_adam", SparseRule::lazy_adam},
                                   {"adagrad", SparseRule::adagrad},
                                   {"rowwise_adagrad", SparseRule::rowwise_adagrad},
                                   {"sgd", SparseRule::sgd},
                                   {"ftrl", SparseRule::ftrl},
                                   {"adam_dense", SparseRule::adam_dense}};
  visit_enum(visitor, "type", config.rule, names);
  const std::string type = name_of(names, config.rule);
  visit_optimizer(visitor,
                  {config.learning_rate, config.beta1, config.beta2, config.epsilon, &config.l1, config.l2,
                   config.momentum, &config.beta, config.initial_accumulator},
                  type, keys_of(type));
}

}  // namespace

void visit_config(RunConfig& config, ConfigVisitor& visitor) {
  visitor.text("name", config.name);
  auto seed = static_cast<std::int64_t>(config.seed);
  visitor.integer("seed", seed, 0, kMaxInteger);
  config.seed = static_cast<std::uint64_t>(seed);
  visitor.text("init_from", config.init_from);
  visit_enum<Vocab>(visitor, "vocab", config.vocab, {{"same", Vocab::same}, {"grow", Vocab::grow}});
  visitor.section("data", [&](ConfigVisitor& v) {
    v.text("path", config.data.path);
    v.integer("prefetch", config.data.prefetch, 1, 64);
    v.integer("shuffle_window", config.data.shuffle_window, 0, std::int64_t{1} << 40);
    v.flag("on_device", config.data.on_device);
  });
  visitor.section("model", [&](ConfigVisitor& v) { visit_model(v, config.model); });
  visitor.section("train", [&](ConfigVisitor& v) { visit_train(v, config.train, config.schedule, config.model.type); });
  visitor.section("optimizer", [&](ConfigVisitor& v) {
    v.section("dense", [&](ConfigVisitor& dense) { visit_dense(dense, config.dense); });
    v.section("sparse", [&](ConfigVisitor& sparse) { visit_sparse(sparse, config.sparse); });
  });
  visitor.section("eval", [&](ConfigVisitor& v) {
    v.names("slices", config.eval.slices);
    v.text("baseline", config.eval.baseline);
  });
  visitor.text("output", config.output);
  if (config.name.empty()) config.name = config.model.type;
}

}  // namespace mal

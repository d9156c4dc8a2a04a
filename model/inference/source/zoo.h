// The models, as formulas over a Plan. Names of tensors and keys are those of the trainer.
#pragma once

#include "model/inference/source/plan.h"

namespace mal::infer::detail {

struct Head {
  std::string view;  // "cat" for the Cartesian head of mal
  Value logits;
};

struct Outputs {
  Value primary;            // one logit
  std::vector<Head> heads;  // other views
  Value knowledge;          // mal: [K^a; …; K^CAT]; else the primary tower's penultimate
};

struct Tower {
  Value penultimate, logits;
};

// What the files of the trainer's zoo get too, with the sharing components that several models have in common.
class Zoo {
 public:
  Zoo(Plan& plan, ConfigReader& config, const std::vector<std::string>& views, Value z, std::size_t senet_reduction)
      : plan_(plan), config_(config), views_(views), z_(z), senet_reduction_(senet_reduction) {
    static constexpr const char* kActivations[] = {"none", "relu"};
    activation_ = static_cast<Activation>(config.choice("activation", kActivations));
    tower_ = config.widths("tower");
    if (tower_.empty()) config.fail("tower", "has no layer");
    primary_ = config.text("primary");
    if (std::find(views.begin(), views.end(), primary_) == views.end()) config.fail("primary", "is no view");
  }

  bool build(const std::string& type, Outputs& out) {
    if (type == "base") return base(out);
    if (type == "mal") return mal(out);
    if (type == "shared_bottom") return shared_bottom(out);
    if (type == "natal" || type == "moae") return natal(type, out);
    std::vector<Value> vectors;
    if (!share(type, views_, "", vectors))
      return config_.problem().fail(
          Code::unsupported, "model.type " + shown(type) + " is not known to this header; use a newer mal_infer.h");
    return view_towers(vectors, tower_, out);
  }

  const std::string& primary() const { return primary_; }

 private:
  using Names = std::vector<std::string>;
  using Widths = std::vector<std::size_t>;
  using Values = std::vector<Value>;

  Tower tower(Value x, const Widths& widths, std::size_t outputs, const std::string& name, Value into = {}) {
    const Value penultimate = plan_.mlp(x, widths, activation_, name, false, into);
    return {penultimate, plan_.linear(penultimate, outputs, Activation::none, name + "/logit")};
  }
  Value linear(Value x, std::size_t width, const std::string& name) {
    return plan_.linear(x, width, Activation::none, name);
  }
  static std::string path(std::initializer_list<std::string_view> parts) {
    std::string name;
    for (const std::string_view part : parts) name += part;
    return name;
  }
  static Values joined(Values a, const Values& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
  }
  // Counts of experts and levels. Every expert has tensors in the file, so that a file pays for what it asks.
  static std::size_t count(ConfigReader& reader, const char* key) {
    constexpr std::uint64_t kMost = 64;
    return static_cast<std::size_t>(reader.integer(key, 1, kMost));
  }
  Widths expert_widths(ConfigReader& reader) {
    Widths widths = reader.widths("expert");
    if (widths.empty()) reader.fail("expert", "has no layer"), widths = {1};
    return widths;
  }

  // A head a view; the primary's is the one that is served.
  bool view_towers(const Values& vectors, const Widths& widths, Outputs& out) {
    for (std::size_t v = 0; v < views_.size() && v < vectors.size(); ++v) {
      const Tower made = tower(vectors[v], widths, 1, "tower/" + views_[v]);
      add_head(views_[v], made, out);
    }
    return config_.problem().ok();
  }
  void add_head(const std::string& view, const Tower& made, Outputs& out) {
    if (view != primary_) return out.heads.push_back({view, made.logits});
    out.primary = made.logits;
    out.knowledge = made.penultimate;
  }

  bool base(Outputs& out) {
    const Value bottom = plan_.mlp(z_, config_.widths("bottom"), activation_, "bottom");
    add_head(primary_, tower(bottom, tower_, 1, "tower"), out);
    return config_.problem().ok();
  }

  bool shared_bottom(Outputs& out) {
    Widths chain = config_.widths("bottom");
    chain.insert(chain.end(), tower_.begin(), tower_.end());
    ConfigReader own = config_.section("shared_bottom");
    const std::size_t layers = count(own, "layers");
    if (layers >= chain.size()) return own.fail("layers", "leaves nothing to the towers");
    const auto cut = chain.begin() + static_cast<std::ptrdiff_t>(layers);
    const Value v = plan_.mlp(z_, {chain.begin(), cut}, activation_, "bottom");
    return own.finish() && view_towers(Values(views_.size(), v), {cut, chain.end()}, out);
  }

  // One vector a task, by the sharing component of that name; false if there is none.
  bool share(const std::string& type, const Names& tasks, const std::string& prefix, Values& vectors) {
    if (type == "mmoe")
      vectors = mmoe(tasks, prefix + "mmoe");
    else if (type == "ple")
      vectors = ple(tasks, prefix + "ple");
    else if (type == "home")
      vectors = home(tasks, prefix + "home");
    else if (type == "adatt")
      vectors = adatt(tasks, prefix + "adatt");
    else
      return false;
    return true;
  }

  Values experts(Value x, std::size_t n, const Widths& widths, const std::string& name) {
    Values list;
    for (std::size_t e = 0; e < n; ++e)
      list.push_back(plan_.mlp(x, widths, activation_, name + "/" + std::to_string(e)));
    return list;
  }
  // Σ softmax(linear NAME (x))_e parts_e
  Step mixture(Value x, const Values& parts, const std::string& name) {
    Step step;
    step.op = Op::mix;
    step.gates = linear(x, parts.size(), name);
    step.parts = parts;
    return step;
  }
  Value mix(Value x, const Values& parts, const std::string& name) {
    return plan_.record(mixture(x, parts, name), parts[0].width);
  }

  Values mmoe(const Names& tasks, const std::string& name) {
    ConfigReader own = config_.section("mmoe");
    const std::size_t n = count(own, "experts");
    const Values shared = experts(z_, n, expert_widths(own), name + "/expert");
    Values x;
    for (const std::string& task : tasks) x.push_back(mix(z_, shared, path({name, "/gate/", task})));
    own.finish();
    return x;
  }

  Values ple(const Names& tasks, const std::string& prefix) {
    ConfigReader own = config_.section("ple");
    const std::size_t levels = count(own, "layers"), view_experts = count(own, "view_experts"),
                      shared_experts = count(own, "shared_experts");
    const Widths widths = expert_widths(own);
    Values x(tasks.size(), z_);
    Value x_shared = z_;
    for (std::size_t level = 0; level < levels; ++level) {
      const std::string name = prefix + "/" + std::to_string(level);
      std::vector<Values> private_experts;
      Values all;
      for (std::size_t t = 0; t < tasks.size(); ++t) {
        private_experts.push_back(experts(x[t], view_experts, widths, path({name, "/", tasks[t]})));
        all = joined(all, private_experts.back());
      }
      const Values shared = experts(x_shared, shared_experts, widths, name + "/shared");
      for (std::size_t t = 0; t < tasks.size(); ++t)
        x[t] = mix(x[t], joined(private_experts[t], shared), path({name, "/gate/", tasks[t]}));
      if (level + 1 < levels) x_shared = mix(x_shared, joined(all, shared), name + "/gate/shared");
    }
    own.finish();
    return x;
  }

  Values adatt(const Names& tasks, const std::string& prefix) {
    ConfigReader own = config_.section("adatt");
    const std::size_t levels = count(own, "layers"), n = count(own, "experts");
    const Widths widths = expert_widths(own);
    Values x(tasks.size(), z_);
    for (std::size_t level = 0; level < levels; ++level) {
      const std::string name = prefix + "/" + std::to_string(level);
      Values all;
      for (std::size_t t = 0; t < tasks.size(); ++t)
        all = joined(all, experts(x[t], n, widths, path({name, "/", tasks[t]})));
      for (std::size_t t = 0; t < tasks.size(); ++t) {
        Step step = mixture(x[t], all, path({name, "/gate/", tasks[t]}));
        step.self_kind = SelfGate::native;
        step.self_first = t * n;
        step.self_count = n;
        step.native = path({name, "/native/", tasks[t]});
        x[t] = plan_.record(std::move(step), all[0].width);
      }
    }
    own.finish();
    return x;
  }

  struct HomeSizes {
    std::size_t experts, width, rank;
  };
  // swish(BN((x ⊙ 2σ((x A) Bᵀ)) · NAME/weight))
  Values home_experts(Value x, const HomeSizes& sizes, const std::string& prefix) {
    Values list;
    for (std::size_t e = 0; e < sizes.experts; ++e) {
      const std::string name = prefix + "/" + std::to_string(e);
      const Value low = plan_.matrix(x, sizes.rank, name + "/feature_gate_a", false);
      const Value gate = plan_.matrix(low, x.width, name + "/feature_gate_b", true);
      Step step;
      step.op = Op::linear;
      step.weight = name + "/weight";  // no bias: the norm would take it away
      step.norm = name + "/norm";
      const Value gated = plan_.unary(Op::gate, x, gate, x.width);
      list.push_back(plan_.record_linear(std::move(step), gated, sizes.width, Activation::swish, {}, {}));
    }
    return list;
  }
  // A mixture of `parts` with a self gate for the first `own` of them (or those from `first` on).
  Value home_mix(Value x, const Values& parts, std::size_t first, std::size_t own, const std::string& gate,
                 const std::string& self) {
    Step step = mixture(x, parts, gate);
    step.self = linear(x, own, self);
    step.self_kind = own == 1 ? SelfGate::sigmoid : SelfGate::softmax;
    step.self_first = first;
    step.self_count = own;
    return plan_.record(std::move(step), parts[0].width);
  }

  // Which group each task is in: the configured ones, or single-touch views, then all others; "cat" has its own.
  std::vector<Names> home_groups(const Names& tasks, ConfigReader& own) {
    std::vector<Names> groups = own.groups("groups");
    const auto is_task = [&](const std::string& name) {
      return std::find(tasks.begin(), tasks.end(), name) != tasks.end();
    };
    if (groups.empty()) {
      groups.resize(2);
      for (const std::string& view : views_)
        if (is_task(view)) groups[view == "last" || view == "first" ? 0 : 1].push_back(view);
    }
    for (Names& group : groups)
      group.erase(std::remove_if(group.begin(), group.end(), [&](const std::string& name) { return !is_task(name); }),
                  group.end());
    groups.erase(std::remove_if(groups.begin(), groups.end(), [](const Names& group) { return group.empty(); }),
                 groups.end());
    if (std::find(views_.begin(), views_.end(), "cat") == views_.end() && is_task("cat")) groups.push_back({"cat"});
    return groups;
  }

  Values home(const Names& tasks, const std::string& name) {
    ConfigReader own = config_.section("home");
    HomeSizes sizes = {};
    sizes.experts = count(own, "experts");
    sizes.width = static_cast<std::size_t>(own.integer("expert", 1, kMaxWidth));
    sizes.rank = static_cast<std::size_t>(own.integer("rank", 1, kMaxWidth));
    const std::vector<Names> groups = home_groups(tasks, own);
    std::vector<std::size_t> group_of(tasks.size(), groups.size());
    for (std::size_t t = 0; t < tasks.size(); ++t)
      for (std::size_t g = 0; g < groups.size(); ++g)
        if (std::find(groups[g].begin(), groups[g].end(), tasks[t]) != groups[g].end()) group_of[t] = g;
    if (std::find(group_of.begin(), group_of.end(), groups.size()) != group_of.end())
      return own.fail("groups", "leaves a view out"), Values(tasks.size(), z_);
    const std::size_t n = sizes.experts;
    const Values meta = home_experts(z_, sizes, name + "/meta/global");
    Values every, m;
    std::vector<Values> meta_groups;
    for (std::size_t g = 0; g < groups.size(); ++g) {
      meta_groups.push_back(home_experts(z_, sizes, name + "/meta/group" + std::to_string(g)));
      every = joined(every, meta_groups.back());
    }
    for (std::size_t g = 0; g < groups.size(); ++g) {
      const std::string group = "/group" + std::to_string(g);
      m.push_back(home_mix(z_, joined(meta_groups[g], meta), 0, n, path({name, "/meta/gate", group}),
                           path({name, "/meta/self", group})));
    }
    const Value m_shared =
        home_mix(z_, joined(every, meta), every.size(), n, name + "/meta/gate/global", name + "/meta/self/global");
    const Values global = home_experts(m_shared, sizes, name + "/view/global");
    std::vector<Values> view_groups;
    for (std::size_t g = 0; g < groups.size(); ++g)
      view_groups.push_back(home_experts(m[g], sizes, name + "/view/group" + std::to_string(g)));
    Values x;
    for (std::size_t t = 0; t < tasks.size(); ++t) {
      const std::size_t g = group_of[t];
      const Values private_experts = home_experts(m[g], sizes, path({name, "/view/", tasks[t]}));
      x.push_back(home_mix(plan_.concat({m[g], m_shared}), joined(joined(private_experts, view_groups[g]), global), 0,
                           n, path({name, "/view/gate/", tasks[t]}), path({name, "/view/self/", tasks[t]})));
    }
    own.finish();
    return x;
  }

  // AKA: a vector a task, a tower a task. PTP: v_p = MLP(z), v_a = MLP([K…]), logit = head(v_p + v_a).
  bool mal(Outputs& out) {
    ConfigReader own = config_.section("mal");
    Names tasks = own.names("views");
    if (tasks.empty()) tasks = views_;
    for (const std::string& task : tasks)
      if (std::find(views_.begin(), views_.end(), task) == views_.end()) return own.fail("views", "names no view");
    const bool cat = own.flag("cat");
    constexpr std::size_t kMaxCartesianViews = 12;
    if (cat && tasks.size() > kMaxCartesianViews) return own.fail("cat", "has too many views");
    const std::size_t classes = std::size_t{1} << (cat ? tasks.size() : 0);
    if (cat) tasks.emplace_back("cat");
    static constexpr const char* kSharings[] = {"shared_bottom", "mmoe", "ple", "home"};
    const std::string aka = kSharings[own.choice("aka", kSharings)];
    Values vectors;
    if (!share(aka, tasks, "aka/", vectors))
      vectors = Values(tasks.size(), plan_.mlp(z_, own.widths("aka_bottom"), activation_, "aka/bottom"));
    const std::size_t width = tower_.back();
    out.knowledge = plan_.buffer(tasks.size() * width);
    for (std::size_t t = 0; t < tasks.size(); ++t) {
      const bool is_cat = cat && t + 1 == tasks.size();
      const Tower made = tower(vectors[t], tower_, is_cat ? classes : 1, "aka/" + tasks[t],
                               Plan::slice(out.knowledge, t * width, width));
      out.heads.push_back({tasks[t], made.logits});
    }
    const Value v_p = plan_.mlp(z_, own.widths("ptp"), activation_, "ptp/bottom");
    const Widths knowledge = own.widths("knowledge");
    if (knowledge.empty() || knowledge.back() != v_p.width) return own.fail("knowledge", "does not fit mal.ptp");
    const Value fusion = plan_.mlp(out.knowledge, knowledge, activation_, "ptp/knowledge", true, {}, v_p);
    out.primary = tower(fusion, own.widths("head"), 1, "ptp/head").logits;
    return own.finish();
  }

  // Where natal's towers begin: one bottom for all; moae: a public and a private SENet-gated expert each.
  Values natal_inputs(const std::string& type, const Names& towers, ConfigReader& own) {
    if (type == "natal") return Values(towers.size(), plan_.mlp(z_, config_.widths("bottom"), activation_, "bottom"));
    if (senet_reduction_ == 0) return own.fail("expert", "has no model.senet.reduction"), Values(towers.size(), z_);
    const Widths widths = expert_widths(own);
    const auto expert = [&](const std::string& name) {
      return plan_.mlp(plan_.senet(z_, senet_reduction_, name + "/senet"), widths, activation_, name);
    };
    const Value shared = expert("moae/public");
    Values x;
    for (const std::string& name : towers) x.push_back(plan_.concat({shared, expert("moae/private/" + name)}));
    return x;
  }

  // The auxiliary towers' hidden layers are injected into the primary's, depth by depth:
  //   h = act(W_k h), then h = act(V_k [h; a_1,k; …; a_n,k] + h)
  bool natal(const std::string& type, Outputs& out) {
    ConfigReader own = config_.section(type);
    Names others;
    for (const std::string& view : views_)
      if (view != primary_) others.push_back(view);
    Names towers = {"primary"};
    towers.insert(towers.end(), others.begin(), others.end());
    Values x = natal_inputs(type, towers, own);
    for (std::size_t k = 0; k < tower_.size(); ++k) {
      const std::string depth = "/" + std::to_string(k);
      const std::size_t width = tower_[k];
      const Value all = plan_.buffer(towers.size() * width);
      for (std::size_t t = 0; t < towers.size(); ++t)
        x[t] = plan_.linear(x[t], width, activation_, path({type, "/", towers[t], depth}),
                            Plan::slice(all, t * width, width));
      x[0] = plan_.linear(all, width, activation_, path({type, "/inject", depth}), {}, x[0]);
    }
    for (std::size_t t = 0; t < towers.size(); ++t) {
      const Tower made = {x[t], linear(x[t], 1, path({type, "/", towers[t], "/logit"}))};
      add_head(t == 0 ? primary_ : towers[t], made, out);
    }
    return own.finish();
  }

  Plan& plan_;
  ConfigReader& config_;
  const std::vector<std::string>& views_;
  Value z_;
  Activation activation_ = Activation::relu;
  std::vector<std::size_t> tower_;
  std::string primary_;
  std::size_t senet_reduction_;
};

}  // namespace mal::infer::detail

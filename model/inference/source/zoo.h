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
  Zoo(Plan& plan, ConfigReader& config, const std::vector<std::string>& views, Value z)
      : plan_(plan), config_(config), views_(views), z_(z) {
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
    return config_.problem().fail(
        Code::unsupported, "model.type " + shown(type) + " is not known to this header; use a newer mal_infer.h");
  }

  const std::string& primary() const { return primary_; }

 private:
  Tower tower(Value x, const std::vector<std::size_t>& widths, std::size_t outputs, const std::string& name,
              Value into = {}) {
    const Value penultimate = plan_.mlp(x, widths, activation_, name, false, into);
    return {penultimate, plan_.linear(penultimate, outputs, Activation::none, name + "/logit")};
  }

  bool base(Outputs& out) {
    const Value bottom = plan_.mlp(z_, config_.widths("bottom"), activation_, "bottom");
    const Tower top = tower(bottom, tower_, 1, "tower");
    out.primary = top.logits;
    out.knowledge = top.penultimate;
    return config_.problem().ok();
  }

  // AKA: v = MLP(z), a tower a view and one for CAT. PTP: v_p = MLP(z), v_a = MLP([K…]), logit = head(v_p + v_a).
  bool mal(Outputs& out) {
    ConfigReader mal = config_.section("mal");
    std::vector<std::string> tasks = mal.names("views");
    if (tasks.empty()) tasks = views_;
    for (const std::string& task : tasks)
      if (std::find(views_.begin(), views_.end(), task) == views_.end()) return mal.fail("views", "names no view");
    const bool cat = mal.flag("cat");
    constexpr std::size_t kMaxCartesianViews = 12;
    if (cat && tasks.size() > kMaxCartesianViews) return mal.fail("cat", "has too many views");
    const std::size_t classes = std::size_t{1} << (cat ? tasks.size() : 0);
    if (cat) tasks.emplace_back("cat");
    static constexpr const char* kSharing[] = {"shared_bottom"};
    mal.choice("aka", kSharing);
    const Value v = plan_.mlp(z_, mal.widths("aka_bottom"), activation_, "aka/bottom");
    const std::size_t width = tower_.back();
    out.knowledge = plan_.buffer(tasks.size() * width);
    for (std::size_t t = 0; t < tasks.size(); ++t) {
      const bool is_cat = cat && t + 1 == tasks.size();
      const Tower made =
          tower(v, tower_, is_cat ? classes : 1, "aka/" + tasks[t], Plan::slice(out.knowledge, t * width, width));
      out.heads.push_back({tasks[t], made.logits});
    }
    const Value v_p = plan_.mlp(z_, mal.widths("ptp"), activation_, "ptp/bottom");
    const std::vector<std::size_t> knowledge = mal.widths("knowledge");
    if (knowledge.empty() || knowledge.back() != v_p.width) return mal.fail("knowledge", "does not fit mal.ptp");
    const Value fusion = plan_.mlp(out.knowledge, knowledge, activation_, "ptp/knowledge", true, {}, v_p);
    out.primary = tower(fusion, mal.widths("head"), 1, "ptp/head").logits;
    return mal.finish();
  }

  Plan& plan_;
  ConfigReader& config_;
  const std::vector<std::string>& views_;
  Value z_;
  Activation activation_ = Activation::relu;
  std::vector<std::size_t> tower_;
  std::string primary_;
};

}  // namespace mal::infer::detail

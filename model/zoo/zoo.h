// The models of MODELS.md §3, one file each. heads[0] of every result is the primary view's.
#pragma once

#include <string>
#include <vector>

#include "model/registry.h"

namespace mal::zoo {

std::vector<Head> build_base(const ZooContext& context);
std::vector<Head> build_shared_bottom(const ZooContext& context);
std::vector<Head> build_mmoe(const ZooContext& context);
std::vector<Head> build_ple(const ZooContext& context);
std::vector<Head> build_home(const ZooContext& context);
std::vector<Head> build_adatt(const ZooContext& context);
std::vector<Head> build_natal(const ZooContext& context);
std::vector<Head> build_moae(const ZooContext& context);
std::vector<Head> build_mal(const ZooContext& context);

// What several tasks share between the trunk and their towers: from z to one vector a task. A model of its own, or
// within mal (prefix "aka/"), whose tasks are the views that supervise AKA, then "cat".
struct Tasks {
  std::vector<std::string> names;
  std::string prefix;  // of every parameter
};
std::vector<Value> share_mmoe(const ZooContext& context, const Tasks& tasks);
std::vector<Value> share_ple(const ZooContext& context, const Tasks& tasks);
std::vector<Value> share_home(const ZooContext& context, const Tasks& tasks);

// The end of every model whose tasks are the views: tower/<view> over its vector (one a view, in the data set's order),
// `widths` before the logit; L = Σ view_weight · L_view.
std::vector<Head> view_towers(const ZooContext& context, const std::vector<Value>& vectors,
                              const std::vector<std::int64_t>& widths);

// natal and moae: a tower a view, and the primary one takes in the others' hidden layers, depth by depth
// (injection.cpp). inputs: one a view, in the data set's order. `name`: of the parameters. L = L_primary + lambda Σ
// view_weight · L_view.
std::vector<Head> injected_towers(const ZooContext& context, const std::vector<Value>& inputs, double lambda,
                                  const std::string& name);

}  // namespace mal::zoo

// Calls that follow each other and need nothing but their own rows of what came before become one: a call of chains
// (kernels/families/chain.h), where the device asks for it. On a GPU a launch costs more than such a layer.
#include <algorithm>
#include <numeric>
#include <utility>

#include "engine/graph.h"

namespace mal {

namespace {

// Sets of ops, of which one reads or adds to what another writes.
class Sets {
 public:
  explicit Sets(std::size_t count) : parent_(count) { std::iota(parent_.begin(), parent_.end(), std::size_t{0}); }
  std::size_t of(std::size_t i) {
    while (parent_[i] != i) i = parent_[i] = parent_[parent_[i]];
    return i;
  }
  void join(std::size_t i, std::size_t j) { parent_[of(i)] = of(j); }

 private:
  std::vector<std::size_t> parent_;
};

}  // namespace

bool Graph::touch(std::size_t a, std::size_t b) const {
  const auto meet = [&](const std::vector<Value>& first, const std::vector<Value>& second, bool gradients) {
    return std::ranges::any_of(first, [&](Value one) {
      return std::ranges::any_of(second, [&](Value other) {
        return (!gradients || (needs_gradient(one) && needs_gradient(other))) && overlap(one, other);
      });
    });
  };
  return meet(infos_[a].inputs, infos_[b].outputs, false) || meet(infos_[a].outputs, infos_[b].inputs, false) ||
         meet(infos_[a].inputs, infos_[b].inputs, true);
}

std::vector<std::int32_t> Graph::chains_of(const std::vector<std::size_t>& ops) const {
  Sets sets(ops.size());
  for (std::size_t i = 0; i < ops.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (touch(ops[i], ops[j])) sets.join(i, j);
  std::vector<std::size_t> roots;
  std::vector<std::int32_t> chains;
  for (std::size_t i = 0; i < ops.size(); ++i) {
    const auto known = std::ranges::find(roots, sets.of(i));
    chains.push_back(static_cast<std::int32_t>(known - roots.begin()));
    if (known == roots.end()) roots.push_back(sets.of(i));
  }
  return chains;
}

// A call joins those before it unless that leaves fewer chains than either has: chains run side by side, the steps of
// one do not. A group whose members add to one gradient stays a group, whose device may run them side by side.
void Graph::join_chains() {
  const auto count = [](const std::vector<std::int32_t>& chains) {
    return chains.empty() ? 0 : *std::ranges::max_element(chains) + 1;
  };
  std::vector<std::vector<std::size_t>> calls = std::exchange(calls_, {});
  chains_.clear();
  bool open = false;  // the last call may be joined
  for (std::vector<std::size_t>& call : calls) {
    const bool fits = std::ranges::all_of(call, [&](std::size_t op) { return infos_[op].chains; }) &&
                      count(chains_of(call)) == static_cast<std::int32_t>(call.size());
    if (fits && open) {
      std::vector<std::size_t> all = calls_.back();
      all.insert(all.end(), call.begin(), call.end());
      std::vector<std::int32_t> chains = chains_of(all);
      if (count(chains) >= std::max(count(chains_of(calls_.back())), static_cast<std::int32_t>(call.size()))) {
        calls_.back() = std::move(all);
        chains_.back() = std::move(chains);
        continue;
      }
    }
    calls_.push_back(std::move(call));
    chains_.emplace_back();
    open = fits;
  }
  for (std::size_t c = 0; c < calls_.size(); ++c) sort_by_chain(calls_[c], chains_[c]);
}

// Ops of a chain stay in their order.
void Graph::sort_by_chain(std::vector<std::size_t>& call, std::vector<std::int32_t>& chains) {
  if (chains.empty()) return;
  std::vector<std::size_t> order(call.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return chains[i]; });
  std::vector<std::size_t> sorted(call.size());
  std::ranges::transform(order, sorted.begin(), [&](std::size_t i) { return call[i]; });
  call = std::move(sorted);
  std::ranges::sort(chains);
}

std::int64_t Graph::chain_workspace(const std::vector<std::size_t>& ops) const {
  std::vector<kernels::LayerSize> sizes;
  for (const std::size_t i : ops)
    if (infos_[i].layer.inputs > 0) sizes.push_back(infos_[i].layer);
  return device_.kernels->chain_backward_workspace(sizes.data(), static_cast<std::int32_t>(sizes.size()), max_rows_);
}

void Graph::run_chains(const std::vector<std::size_t>& call, const std::vector<std::int32_t>& chains,
                       std::int64_t rows) {
  forward_steps_.clear();
  for (std::size_t m = 0; m < call.size(); ++m) {
    forward_steps_.push_back(ops_[call[m]]->forward_step(run_of(call[m], false, rows)));
    forward_steps_.back().chain = chains[m];
  }
  device_.kernels->chain_forward(forward_steps_.data(), static_cast<std::int32_t>(forward_steps_.size()), rows);
}

void Graph::run_chains_backward(const std::vector<std::size_t>& call, const std::vector<std::int32_t>& chains,
                                std::int64_t rows) {
  backward_steps_.clear();
  float* workspace = nullptr;
  for (std::size_t first = 0, end = 0; first < call.size(); first = end) {
    while (end < call.size() && chains[end] == chains[first]) ++end;
    for (std::size_t m = end; m-- > first;) {
      if (!steps_[call[m]].backward) continue;
      const Run run = run_of(call[m], true, rows);
      backward_steps_.push_back(ops_[call[m]]->backward_step(run));
      backward_steps_.back().chain = chains[m];
      workspace = run.workspace();  // of all
    }
  }
  if (backward_steps_.empty()) return;
  device_.kernels->chain_backward(backward_steps_.data(), static_cast<std::int32_t>(backward_steps_.size()), rows,
                                  workspace);
}

}  // namespace mal

// Graph::plan(): which backward calls run, which gradients they overwrite or add to, and where everything lies in
// memory.
//
// Time is the index of a call: call i of n runs forward at i and backward at 2n − 1 − i. A block of memory lives from
// the first call that touches it to the last; two blocks may share memory if their lives do not meet. Where a device
// finishes its sums over rows at the end, what it needs of a workspace lives until then.
#include <algorithm>
#include <utility>

#include "engine/error.h"
#include "engine/graph.h"

namespace mal {

class Graph::Planner {
 public:
  Planner(Graph& graph, bool repeatable) : graph_(graph), repeatable_(repeatable) {}

  void run() {
    const std::size_t storages = graph_.storages_.size();
    values_.resize(storages);
    gradients_.resize(storages);
    written_.resize(storages);
    for (std::size_t s = 0; s < storages; ++s) written_[s].resize(static_cast<std::size_t>(graph_.storages_[s].width));
    graph_.steps_.resize(graph_.ops_.size());
    group();
    plan_forward();
    if (graph_.training_) plan_backward();
    keep_values();
    place();
    resolve_targets();
  }

 private:
  struct Life {
    std::int64_t first = -1, last = -1;
    void touch(std::int64_t time) {
      if (first < 0) first = time;
      first = std::min(first, time);
      last = std::max(last, time);
    }
  };
  struct Block {
    Life life;
    std::int64_t floats;
    std::int64_t* offset;
  };

  // An op joins the first call of its group that comes after all that writes its inputs. So it runs earlier than it was
  // recorded, never later, and nothing that reads its outputs has to move.
  void group() {
    call_of_.resize(graph_.ops_.size());
    for (std::size_t i = 0; i < graph_.ops_.size(); ++i) {
      const std::string& name = graph_.infos_[i].group;
      std::size_t call = name.empty() ? graph_.calls_.size() : first_call_after_inputs(i);
      while (call < graph_.calls_.size() && graph_.infos_[graph_.calls_[call].front()].group != name) ++call;
      if (call == graph_.calls_.size()) graph_.calls_.emplace_back();
      graph_.calls_[call].push_back(i);
      call_of_[i] = call;
    }
    graph_.join_chains();
    for (std::size_t c = 0; c < graph_.calls_.size(); ++c)
      for (const std::size_t i : graph_.calls_[c]) call_of_[i] = c;
    calls_ = static_cast<std::int64_t>(graph_.calls_.size());
  }

  std::size_t first_call_after_inputs(std::size_t op) {
    std::size_t call = 0;
    for (std::size_t i = 0; i < op; ++i)
      for (const Value written : graph_.infos_[i].outputs)
        for (const Value read : graph_.infos_[op].inputs)
          if (graph_.overlap(written, read)) call = std::max(call, call_of_[i] + 1);
    return call;
  }

  void plan_forward() {
    for (std::size_t i = 0; i < graph_.ops_.size(); ++i) {
      const auto time = static_cast<std::int64_t>(call_of_[i]);
      for (const Value value : graph_.infos_[i].inputs) life_of(values_, value).touch(time);
      for (const Value value : graph_.infos_[i].outputs) life_of(values_, value).touch(time);
    }
  }

  void plan_backward() {
    for (std::size_t c = graph_.calls_.size(); c-- > 0;)
      for (std::size_t m = graph_.calls_[c].size(); m-- > 0;) plan_backward_of(graph_.calls_[c][m]);
  }

  void plan_backward_of(std::size_t i) {
    const OpInfo& info = graph_.infos_[i];
    Step& step = graph_.steps_[i];
    step.input_gradients.resize(info.inputs.size());
    // A loss has no outputs: its backward call starts the gradients. Any other op runs if something flows into it.
    step.backward = info.has_backward && (info.outputs.empty() || any_written(info.outputs));
    if (!step.backward) return;
    const std::int64_t time = 2 * calls_ - 1 - static_cast<std::int64_t>(call_of_[i]);
    for (const Value value : info.saved) life_of(values_, value).touch(repeatable_ ? 2 * calls_ : time);
    for (const Value value : info.outputs) {
      if (!graph_.needs_gradient(value)) continue;
      fill_unwritten(value, step);
      life_of(gradients_, value).touch(time);
    }
    for (std::size_t k = 0; k < info.inputs.size(); ++k) {
      const Value value = info.inputs[k];
      if (!graph_.needs_gradient(value)) continue;
      const std::int64_t written = count_written(value);
      if (written > 0 && written < graph_.width(value)) fill_unwritten(value, step);
      step.input_gradients[k].accumulate = written > 0;
      mark_written(value);
      life_of(gradients_, value).touch(time);
    }
  }

  void keep_values() {
    for (std::size_t v = 0; v < graph_.values_.size(); ++v)
      if (graph_.values_[v].kept) life_of(values_, {static_cast<std::int32_t>(v)}).touch(2 * calls_);
  }

  // Largest block first, each at the lowest place that is free during its life.
  void place() {
    std::vector<Block> blocks = all_blocks();
    std::ranges::stable_sort(blocks, [](const Block& a, const Block& b) { return a.floats > b.floats; });
    std::vector<const Block*> placed;
    std::int64_t total = 0;
    std::int64_t unplanned = 0;
    for (Block& block : blocks) {
      std::vector<std::pair<std::int64_t, std::int64_t>> taken;
      for (const Block* other : placed)
        if (other->life.first <= block.life.last && block.life.first <= other->life.last)
          taken.emplace_back(*other->offset, *other->offset + other->floats);
      std::ranges::sort(taken);
      std::int64_t offset = 0;
      for (const auto& [begin, end] : taken) {
        if (offset + block.floats <= begin) break;
        offset = std::max(offset, end);
      }
      *block.offset = offset;
      total = std::max(total, offset + block.floats);
      unplanned += block.floats;
      placed.push_back(&block);
    }
    graph_.arena_ = Buffer(graph_.device_.memory, static_cast<std::size_t>(total) * sizeof(float),
                           {"the activations of a batch", "lower train.batch_size or train.eval_batch_size"});
    graph_.unplanned_bytes_ = unplanned * static_cast<std::int64_t>(sizeof(float));
  }

  std::vector<Block> all_blocks() {
    std::vector<Block> blocks;
    for (std::size_t s = 0; s < graph_.storages_.size(); ++s) {
      Storage& storage = graph_.storages_[s];
      if (storage.parent >= 0) continue;
      storage.stride = stride_of(storage.width);
      const std::int64_t floats = graph_.max_rows_ * storage.stride;
      if (values_[s].first >= 0) add_block(blocks, values_[s], floats, &storage.value_offset);
      if (gradients_[s].first >= 0) add_block(blocks, gradients_[s], floats, &storage.gradient_offset);
    }
    for (std::size_t c = 0; c < graph_.calls_.size(); ++c) add_workspaces(blocks, c);
    for (std::size_t i = 0; i < graph_.ops_.size(); ++i)
      if (const std::int64_t floats = graph_.infos_[i].prepared; floats > 0)
        add_block(blocks, {0, 2 * calls_}, floats, &graph_.steps_[i].prepared);
    return blocks;
  }

  void add_workspaces(std::vector<Block>& blocks, std::size_t call) {
    const auto time = static_cast<std::int64_t>(call);
    const std::int64_t back = 2 * calls_ - 1 - time;
    const std::vector<std::size_t> members = backward_members(call);
    for (const std::size_t i : graph_.calls_[call])
      if (const std::int64_t floats = graph_.infos_[i].forward_workspace; floats > 0)
        add_block(blocks, {time, time}, floats, &graph_.steps_[i].workspace_forward);
    if (members.empty()) return;
    const std::size_t first = members.front();
    std::vector<const Op*> ops(members.size());
    std::ranges::transform(members, ops.begin(), [&](std::size_t i) { return graph_.ops_[i].get(); });
    const std::int64_t floats = !graph_.chains_[call].empty() ? graph_.chain_workspace(members)
                                : members.size() == 1         ? graph_.infos_[first].backward_workspace
                                                              : graph_.ops_[first]->group_workspace(graph_, ops);
    const std::int64_t last = graph_.device_.kernels->defers_sums() ? 2 * calls_ : back;
    if (floats > 0) add_block(blocks, {back, last}, floats, &graph_.steps_[first].workspace_backward);
  }

  std::vector<std::size_t> backward_members(std::size_t call) const {
    std::vector<std::size_t> members;
    for (const std::size_t i : graph_.calls_[call])
      if (graph_.steps_[i].backward) members.push_back(i);
    return members;
  }

  // Large arrays at the same offset in a page alias in the first-level cache: sizes are an odd number of cache lines.
  static void add_block(std::vector<Block>& blocks, Life life, std::int64_t floats, std::int64_t* offset) {
    constexpr std::int64_t kLine = 16;
    const std::int64_t lines = (floats + kLine - 1) / kLine | 1;
    blocks.push_back({life, lines * kLine, offset});
  }

  static std::int64_t stride_of(std::int64_t width) {
    constexpr std::int64_t kLine = 16, kPage = 1024;
    const std::int64_t stride = (width + kLine - 1) / kLine * kLine;
    return stride % kPage == 0 ? stride + kLine : stride;
  }

  void resolve_targets() {
    if (!graph_.training_) return;
    for (std::size_t c = 0; c < graph_.calls_.size(); ++c) {
      const std::vector<std::size_t> members = backward_members(c);
      for (const std::size_t i : members)  // a group has one workspace, and so have chains
        graph_.steps_[i].workspace_backward = graph_.steps_[members.front()].workspace_backward;
    }
    for (std::size_t i = 0; i < graph_.ops_.size(); ++i) {
      if (!graph_.steps_[i].backward) continue;
      for (std::size_t k = 0; k < graph_.infos_[i].inputs.size(); ++k) {
        const Value value = graph_.infos_[i].inputs[k];
        if (!graph_.needs_gradient(value)) continue;
        const Matrix matrix = graph_.gradient_matrix(value);
        graph_.steps_[i].input_gradients[k].data = matrix.data;
        graph_.steps_[i].input_gradients[k].stride = matrix.stride;
      }
    }
  }

  Life& life_of(std::vector<Life>& lives, Value value) {
    return lives[static_cast<std::size_t>(graph_.resolve(value).storage)];
  }

  // The columns of the root storage that hold a value's gradient, one flag a column.
  std::vector<bool>::iterator columns_of(Value value) {
    const Place place = graph_.resolve(value);
    return written_[static_cast<std::size_t>(place.storage)].begin() + place.column;
  }

  std::int64_t count_written(Value value) {
    const auto first = columns_of(value);
    return std::count(first, first + graph_.width(value), true);
  }

  bool any_written(const std::vector<Value>& values) {
    return std::ranges::any_of(values,
                               [&](Value value) { return graph_.needs_gradient(value) && count_written(value) > 0; });
  }

  void mark_written(Value value) {
    const auto first = columns_of(value);
    std::fill(first, first + graph_.width(value), true);
  }

  void fill_unwritten(Value value, Step& step) {
    const Place place = graph_.resolve(value);
    const auto first = columns_of(value);
    for (std::int64_t c = 0; c < graph_.width(value); ++c) {
      if (first[c]) continue;
      std::int64_t end = c;
      while (end < graph_.width(value) && !first[end]) ++end;
      step.fills.push_back({place.storage, place.column + c, end - c});
      c = end;
    }
    mark_written(value);
  }

  Graph& graph_;
  bool repeatable_;
  std::int64_t calls_ = 0;
  std::vector<std::size_t> call_of_;      // each op
  std::vector<Life> values_, gradients_;  // of root storages
  std::vector<std::vector<bool>> written_;
};

void Graph::plan(bool repeatable) {
  if (planned_) fail("graph: plan() is called twice");
  Planner(*this, repeatable).run();
  planned_ = true;
}

}  // namespace mal

// Graph::plan(): which backward calls run, which gradients they overwrite or add to, and where everything lies in
// memory.
//
// Time is the index of a call: call i of n runs forward at i and backward at 2n − 1 − i. A block of memory lives from
// the first call that touches it to the last; two blocks may share memory if their lives do not meet. Where a device
// finishes its sums over rows at the end, what it needs of a workspace lives until then.
//
// Calls that run tile by tile make up a segment of time. What lives within one segment lies in the arena of a tile;
// what lives longer, in that of the batch, where it lives for whole segments: another tile may be at any of their
// calls.
#include <algorithm>
#include <numeric>
#include <utility>

#include "engine/error.h"
#include "engine/graph.h"

namespace mal {

class Graph::Planner {
 public:
  Planner(Graph& graph, Passes passes) : graph_(graph), passes_(passes) {}

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
    cut_segments();
    lay_out_gradients();
    place_all();
    share_workspaces();
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
    Address* address;
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
    step.wanted.resize(info.inputs.size());
    step.accumulate.resize(info.inputs.size());
    // A loss has no outputs: its backward call starts the gradients. Any other op runs if something flows into it.
    step.backward = info.has_backward && (info.outputs.empty() || any_written(info.outputs));
    if (!step.backward) return;
    const std::int64_t time = backward_time(i);
    for (const Value value : info.saved)
      life_of(values_, value).touch(passes_ == Passes::repeatable ? 2 * calls_ : time);
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
      step.wanted[k] = true;
      step.accumulate[k] = written > 0;
      mark_written(value);
      life_of(gradients_, value).touch(time);
    }
  }

  void keep_values() {
    for (std::size_t v = 0; v < graph_.values_.size(); ++v)
      if (graph_.values_[v].kept) life_of(values_, {static_cast<std::int32_t>(v)}).touch(2 * calls_);
  }

  bool whole_batch(std::int64_t time) const {
    if (graph_.tile_rows_ == 0) return true;
    const bool forward = time < calls_;
    const auto call = static_cast<std::size_t>(forward ? time : 2 * calls_ - 1 - time);
    return !graph_.chains_[call].empty() || std::ranges::any_of(graph_.calls_[call], [&](std::size_t i) {
      const OpInfo& info = graph_.infos_[i];
      return forward ? info.whole_batch_forward : graph_.steps_[i].backward && info.whole_batch_backward;
    });
  }

  void cut_segments() {
    for (std::int64_t time = 0; time < (graph_.training_ ? 2 : 1) * calls_; ++time) {
      const bool tiled = !whole_batch(time);
      const bool between = time == calls_ && passes_ != Passes::together;
      if (time == 0 || !tiled || !graph_.segments_.back().tiled || between)
        graph_.segments_.push_back({time, time, tiled, 0, {}, {}});
      graph_.segments_.back().last = time;
      segment_of_.push_back(graph_.segments_.size() - 1);
    }
  }

  bool within_a_tile(const Life& life) const {
    const auto first = static_cast<std::size_t>(life.first), last = static_cast<std::size_t>(life.last);
    return last < segment_of_.size() && segment_of_[first] == segment_of_[last] &&
           graph_.segments_[segment_of_[first]].tiled;
  }

  // Where a segment's tiles leave the gradients of what it learns.
  void lay_out_gradients() {
    for (std::size_t i = 0; i < graph_.ops_.size(); ++i) {
      Step& step = graph_.steps_[i];
      if (!step.backward) continue;
      Segment& segment = graph_.segments_[segment_of_[static_cast<std::size_t>(backward_time(i))]];
      if (!segment.tiled) continue;
      if (graph_.infos_[i].partials > 0) segment.finished.push_back(i);
      for (const Parameter* parameter : graph_.infos_[i].learns) {
        step.gradients.push_back(segment.gradient_floats);
        add_pieces(segment, *parameter);
      }
    }
  }

  static void add_pieces(Segment& segment, const Parameter& parameter) {
    constexpr std::int64_t kMost = 4096;  // floats; what a thread sums at a time
    const std::int64_t size = parameter.gradient.size();
    for (std::int64_t first = 0; first < size; first += kMost)
      segment.pieces.push_back({parameter.gradient.buffer().as<float>() + first, segment.gradient_floats + first,
                                std::min(kMost, size - first)});
    segment.gradient_floats += in_lines(size);
  }

  void place_all() {
    std::vector<Block> blocks = all_blocks(), tiled;
    for (Block& block : blocks) {
      if (!block.address->tiled) {
        extend(block.life);
        continue;
      }
      tiled.push_back(block);
    }
    std::erase_if(blocks, [](const Block& block) { return block.address->tiled; });
    const std::int64_t total = place(blocks), tile = place(tiled);
    graph_.arena_ = Buffer(graph_.device_.memory, static_cast<std::size_t>(total) * sizeof(float), kPurpose);
    graph_.make_slots(tile);
    const auto sum = [](const std::vector<Block>& all) {
      return std::accumulate(all.begin(), all.end(), std::int64_t{0},
                             [](std::int64_t floats, const Block& block) { return floats + block.floats; });
    };
    graph_.unplanned_bytes_ =
        (sum(blocks) + graph_.tiles_of(graph_.max_rows_) * sum(tiled)) * static_cast<std::int64_t>(sizeof(float)) +
        static_cast<std::int64_t>(graph_.partial_gradients_.size());
  }

  // To whole segments.
  void extend(Life& life) const {
    const auto last = static_cast<std::size_t>(life.last);
    life.first = graph_.segments_[segment_of_[static_cast<std::size_t>(life.first)]].first;
    if (last < segment_of_.size()) life.last = graph_.segments_[segment_of_[last]].last;
  }

  // Largest block first, each at the lowest place that is free during its life. Returns what they take together.
  static std::int64_t place(std::vector<Block>& blocks) {
    std::ranges::stable_sort(blocks, [](const Block& a, const Block& b) { return a.floats > b.floats; });
    std::vector<const Block*> placed;
    std::int64_t total = 0;
    for (const Block& block : blocks) {
      std::vector<std::pair<std::int64_t, std::int64_t>> taken;
      for (const Block* other : placed)
        if (other->life.first <= block.life.last && block.life.first <= other->life.last)
          taken.emplace_back(other->address->offset, other->address->offset + other->floats);
      std::ranges::sort(taken);
      std::int64_t offset = 0;
      for (const auto& [begin, end] : taken) {
        if (offset + block.floats <= begin) break;
        offset = std::max(offset, end);
      }
      block.address->offset = offset;
      total = std::max(total, offset + block.floats);
      placed.push_back(&block);
    }
    return total;
  }

  std::vector<Block> all_blocks() {
    std::vector<Block> blocks;
    for (std::size_t s = 0; s < graph_.storages_.size(); ++s) {
      Storage& storage = graph_.storages_[s];
      if (storage.parent >= 0) continue;
      storage.stride = stride_of(storage.width);
      add_rows(blocks, values_[s], storage.stride, storage.value);
      add_rows(blocks, gradients_[s], storage.stride, storage.gradient);
    }
    for (std::size_t c = 0; c < graph_.calls_.size(); ++c) add_workspaces(blocks, c);
    for (std::size_t i = 0; i < graph_.ops_.size(); ++i) {
      add_block(blocks, {0, 2 * calls_}, graph_.infos_[i].prepared, graph_.steps_[i].prepared);
    }
    for (const Segment& segment : graph_.segments_)
      for (const std::size_t i : segment.finished) {
        const std::int64_t doubles = graph_.infos_[i].partials * graph_.tiles_of(graph_.max_rows_);
        add_block(blocks, {segment.first, segment.last}, 2 * doubles, graph_.steps_[i].partials);
      }
    return blocks;
  }

  void add_workspaces(std::vector<Block>& blocks, std::size_t call) {
    const auto time = static_cast<std::int64_t>(call);
    const std::int64_t back = 2 * calls_ - 1 - time;
    const std::vector<std::size_t> members = backward_members(call);
    for (const std::size_t i : graph_.calls_[call])
      add_workspace(blocks, {time, time}, graph_.infos_[i].forward_workspace, graph_.steps_[i].workspace_forward);
    if (members.empty()) return;
    const std::size_t first = members.front();
    std::vector<const Op*> ops(members.size());
    std::ranges::transform(members, ops.begin(), [&](std::size_t i) { return graph_.ops_[i].get(); });
    const std::int64_t floats = !graph_.chains_[call].empty() ? graph_.chain_workspace(members)
                                : members.size() == 1         ? graph_.infos_[first].backward_workspace
                                                              : graph_.ops_[first]->group_workspace(graph_, ops);
    const std::int64_t last = graph_.device_.kernels->defers_sums() ? 2 * calls_ : back;
    add_workspace(blocks, {back, last}, floats, graph_.steps_[first].workspace_backward);
  }

  std::vector<std::size_t> backward_members(std::size_t call) const {
    std::vector<std::size_t> members;
    for (const std::size_t i : graph_.calls_[call])
      if (graph_.steps_[i].backward) members.push_back(i);
    return members;
  }

  // Rows of a value or a gradient.
  void add_rows(std::vector<Block>& blocks, const Life& life, std::int64_t stride, Address& address) const {
    if (life.first < 0) return;
    address.tiled = within_a_tile(life);
    add_block(blocks, life, (address.tiled ? graph_.call_rows() : graph_.max_rows_) * stride, address);
  }

  void add_workspace(std::vector<Block>& blocks, const Life& life, std::int64_t floats, Address& address) const {
    address.tiled = within_a_tile(life);
    add_block(blocks, life, floats, address);
  }

  static std::int64_t in_lines(std::int64_t floats) {
    constexpr std::int64_t kLine = 16;
    return (floats + kLine - 1) / kLine * kLine;
  }

  // Large arrays at the same offset in a page alias in the first-level cache: sizes are an odd number of cache lines.
  static void add_block(std::vector<Block>& blocks, const Life& life, std::int64_t floats, Address& address) {
    constexpr std::int64_t kLine = 16;
    if (floats > 0) blocks.push_back({life, (in_lines(floats) / kLine | 1) * kLine, &address});
  }

  static std::int64_t stride_of(std::int64_t width) {
    constexpr std::int64_t kLine = 16, kPage = 1024;
    const std::int64_t stride = (width + kLine - 1) / kLine * kLine;
    return stride % kPage == 0 ? stride + kLine : stride;
  }

  // A group has one workspace, and so have chains.
  void share_workspaces() {
    for (std::size_t c = 0; c < graph_.calls_.size(); ++c) {
      const std::vector<std::size_t> members = backward_members(c);
      for (const std::size_t i : members)
        graph_.steps_[i].workspace_backward = graph_.steps_[members.front()].workspace_backward;
    }
  }

  std::int64_t backward_time(std::size_t op) const { return 2 * calls_ - 1 - static_cast<std::int64_t>(call_of_[op]); }

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

  static constexpr Purpose kPurpose{"the activations of a batch", "lower train.batch_size or train.eval_batch_size"};

  Graph& graph_;
  Passes passes_;
  std::int64_t calls_ = 0;
  std::vector<std::size_t> call_of_;      // each op
  std::vector<std::size_t> segment_of_;   // each time
  std::vector<Life> values_, gradients_;  // of root storages
  std::vector<std::vector<bool>> written_;
};

void Graph::plan(Passes passes) {
  if (planned_) fail("graph: plan() is called twice");
  passes_ = passes;
  Planner(*this, passes).run();
  planned_ = true;
}

}  // namespace mal

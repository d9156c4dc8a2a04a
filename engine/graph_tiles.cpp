// Segments of row-local calls run tile by tile: a thread takes a tile of rows through all calls of the segment,
// forward, loss and backward, in an arena that stays in its cache, and waits for nobody. Gradients of dense parameters
// are summed in a fixed order, whoever ran which tile: consecutive tiles form at most kMostGroups groups, a group is
// one thread's work and has one partial sum, and the partial sums are added when the segment is done.
#include <algorithm>
#include <thread>

#include "engine/error.h"
#include "engine/graph.h"

namespace mal {

namespace {

// A partial sum is as large as all dense parameters.
constexpr std::int64_t kMostGroups = 16;

constexpr Purpose kPurpose{"the activations of a tile of rows", "use fewer threads"};

}  // namespace

// A batch without rows has one tile, in which sums become zero.
std::int64_t Graph::tiles_of(std::int64_t rows) const {
  return tile_rows_ == 0 ? 1 : std::max<std::int64_t>(1, (rows + tile_rows_ - 1) / tile_rows_);
}

std::int64_t Graph::groups_of(const Segment& segment, std::int64_t tiles) const {
  return segment.gradient_floats == 0 ? tiles : std::min(tiles, kMostGroups);
}

void Graph::make_slots(std::int64_t floats) {
  const std::int64_t tiles = tiles_of(max_rows_);
  std::int64_t most = 0;
  for (const Segment& segment : segments_) most = std::max(most, segment.gradient_floats);
  const auto bytes = [](std::int64_t count) { return static_cast<std::size_t>(count) * sizeof(float); };
  if (tiles > 1)
    partial_gradients_ = Buffer(device_.memory, bytes(std::min(tiles, kMostGroups) * most),
                                {"the gradients of tiles of rows", "choose smaller widths in the model section"});
  if (std::ranges::none_of(segments_, &Segment::tiled)) return;
  const std::int64_t threads = std::min<std::int64_t>(device_.memory->threads(), tiles);
  for (std::int64_t t = 0; t < threads; ++t) {
    Slot& slot = slots_.emplace_back();
    slot.arena = Buffer(device_.memory, bytes(std::max<std::int64_t>(floats, 1)), kPurpose);
    if (tiles > kMostGroups) slot.gradients = Buffer(device_.memory, bytes(most), kPurpose);
  }
}

std::int64_t Graph::arena_bytes() const {
  std::size_t bytes = arena_.size() + partial_gradients_.size();
  for (const Slot& slot : slots_) bytes += slot.arena.size() + slot.gradients.size();
  return static_cast<std::int64_t>(bytes);
}

// The one that this thread had before, if it is free: its arena may still be in the cache. There are as many as there
// were threads when the graph was planned; more than that wait for each other.
Graph::Slot& Graph::take_slot() {
  static thread_local std::size_t last = 0;
  for (;; std::this_thread::yield())
    for (std::size_t tried = 0; tried < slots_.size(); ++tried, ++last) {
      last %= slots_.size();
      if (!slots_[last].busy.exchange(true, std::memory_order_acquire)) return slots_[last];
    }
}

// Those of the segments that meet [first, last]: a backward pass alone repeats the forward calls of the one that spans
// the middle, whose values are gone.
void Graph::run_times(std::int64_t first, std::int64_t last, std::int64_t rows) {
  for (const Segment& segment : segments_) {
    if (segment.last < first || segment.first > last) continue;
    if (segment.tiled)
      run_tiles(segment, std::min(segment.last, last), rows);
    else
      run_call(segment.first, rows, {}, members_);
  }
}

void Graph::run_call(std::int64_t time, std::int64_t rows, const Tile& tile, std::vector<Op::Member>& members) {
  if (time < times())
    run_forward_of(static_cast<std::size_t>(time), rows, tile, members);
  else
    run_backward_of(static_cast<std::size_t>(2 * times() - 1 - time), rows, tile, members);
}

void Graph::run_tiles(const Segment& segment, std::int64_t last, std::int64_t rows) {
  struct Work {
    Graph& graph;
    const Segment& segment;
    std::int64_t last, rows;
  };
  const Work work{*this, segment, last, rows};
  const std::int64_t groups = groups_of(segment, tiles_of(rows));
  device_.memory->run_blocks(
      groups,
      [](const void* context, std::int64_t group) {
        const Work& what = *static_cast<const Work*>(context);
        what.graph.run_group(what.segment, what.last, what.rows, group);
      },
      &work);
  if (last < times()) return;
  if (groups > 1) sum_gradients(segment, groups);
  for (const std::size_t i : segment.finished) ops_[i]->finish(run_of(i, true, rows));
}

void Graph::run_group(const Segment& segment, std::int64_t last, std::int64_t rows, std::int64_t group) {
  const std::int64_t tiles = tiles_of(rows), groups = groups_of(segment, tiles);
  const std::int64_t first = group * tiles / groups, end = (group + 1) * tiles / groups;
  float* const sum = groups == 1 ? nullptr : partial_gradients_.as<float>() + group * segment.gradient_floats;
  struct Taken {
    Slot& slot;
    ~Taken() { slot.busy.store(false, std::memory_order_release); }
  } const taken{groups == 1 ? slots_.front() : take_slot()};
  Slot& slot = taken.slot;
  for (std::int64_t number = first; number < end; ++number) {
    const std::int64_t first_row = number * tile_rows_;
    const Tile tile{first_row, number, slot.arena.as<float>(), number == first ? sum : slot.gradients.as<float>()};
    for (std::int64_t time = segment.first; time <= last; ++time)
      run_call(time, std::min(rows - first_row, tile_rows_), tile, slot.members);
    if (number > first && last >= times() && segment.gradient_floats > 0)
      device_.kernels->scale_add(tile.gradients, 1.0F, sum, segment.gradient_floats, true);
  }
}

void Graph::sum_gradients(const Segment& segment, std::int64_t groups) {
  struct Work {
    const Graph& graph;
    const Segment& segment;
    std::int64_t groups;
  };
  const Work work{*this, segment, groups};
  device_.memory->run_blocks(
      static_cast<std::int64_t>(segment.pieces.size()),
      [](const void* context, std::int64_t number) {
        const Work& what = *static_cast<const Work*>(context);
        const Piece& piece = what.segment.pieces[static_cast<std::size_t>(number)];
        const float* from = what.graph.partial_gradients_.as<const float>() + piece.from;
        for (std::int64_t g = 0; g < what.groups; ++g, from += what.segment.gradient_floats)
          what.graph.device_.kernels->scale_add(from, 1.0F, piece.to, piece.floats, g > 0);
      },
      &work);
}

}  // namespace mal

// A model, recorded once: the list of its calls forward and, in training, backward.
//
// A Value is a batch-row matrix [rows, width] with rows ≤ max_rows. plan() gives every value, gradient and scratch
// buffer its place in an arena, by the interval of calls in which it lives; after that a step allocates nothing.
// Where the device has tiles, calls that need no row but their own run tile by tile, all of them over one tile of rows
// before the next, each thread with a small arena that stays in its cache (graph_tiles.cpp). Ops do not notice.
// Layers of one shape whose inputs are there at the same time (towers, experts) become one call, and so do layers that
// follow each other, where the device takes them as chains. concat() and slice() cost nothing: a value can be a range
// of columns of a wider storage, and kernels take row strides.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/device.h"
#include "engine/embedding_table.h"
#include "engine/parameters.h"
#include "engine/tensor.h"

namespace mal {

struct Value {
  std::int32_t id = -1;
  bool valid() const { return id >= 0; }
};

// A column of the batch that the graph reads; bound anew before every step.
struct Input {
  std::int32_t id = -1;
};
struct InputColumn {
  const std::int32_t* ids = nullptr;      // [rows, length]
  const std::int32_t* lengths = nullptr;  // [rows]
  const float* values = nullptr;          // [rows, length]; of a number one a row, `stride` apart
  std::int64_t stride = 1;
};

struct Matrix {
  float* data = nullptr;
  std::int64_t stride = 0;
};
// Where a backward call puts the gradient of one of its inputs. data is null: nobody needs it.
struct GradientTarget {
  float* data = nullptr;
  std::int64_t stride = 0;
  bool accumulate = false;
};

// The gradient of one table after a backward pass: the first *count entries of rows and values, all in the device's
// memory.
struct SparseGradient {
  EmbeddingTable* table = nullptr;
  const std::int32_t* rows = nullptr;
  float* values = nullptr;
  const std::int64_t* count = nullptr;
  std::int64_t capacity = 0;        // the most rows that a step touches
  const Buffer* counted = nullptr;  // where count lies
  std::int64_t read_count() const;  // on the host; waits
};

class Graph;

// The rows that a call sees.
struct Tile {
  std::int64_t first_row = 0;  // in the batch
  std::int64_t number = 0;
  float* arena = nullptr;      // of what lives no longer than the tile; null: the call is of the whole batch
  float* gradients = nullptr;  // of dense parameters, as plan() laid them out; null: Parameter::gradient
};

// What an op's calls see.
struct Run {
  const Graph& graph;
  const kernels::KernelTable& kernels;
  std::int64_t rows;  // of the call: the batch's or a tile's

  Matrix value(Value value) const;
  Matrix gradient(Value output) const;                        // of an op's own output
  GradientTarget gradient_of_input(std::size_t i) const;      // of the i-th input of the op that runs now
  float* gradient_of(Parameter& parameter) const;             // of one that the op learns
  InputColumn input(Input input, std::int64_t length) const;  // from the call's first row on; length: positions a row
  float* workspace() const;
  float* prepared() const;  // OpInfo::prepared floats, the op's own from prepare() to the end of the step
  bool tiled() const { return tile.arena != nullptr; }
  double* partial() const;  // OpInfo::partials doubles of this tile; in finish() those of all tiles, in order
  std::int64_t batch_rows() const;
  std::int64_t tiles() const;  // of the batch

  // Set by the graph.
  std::size_t op = 0;
  bool backward = false;
  Tile tile = {};
};

class Op {
 public:
  struct Member {
    Op* op;
    Run run;
  };

  virtual ~Op() = default;
  // Once a step, before all calls: what depends on the weights and the inputs alone.
  virtual void prepare(const Run&) {}
  virtual void forward(const Run& run) = 0;
  virtual void backward(const Run&) {}
  // Of an op with OpInfo::partials whose backward calls were of tiles: after the last of them, what they left there.
  virtual void finish(const Run&) {}
  // Of an op with OpInfo::group: several of the same group as one call, this one among them. Backward the members come
  // in the order in which their gradients add up, and their workspace is one, of group_workspace() floats.
  virtual void forward_group(std::span<const Member>) {}
  virtual void backward_group(std::span<const Member>) {}
  virtual std::int64_t group_workspace(const Graph&, std::span<const Op* const>) const { return 0; }
  // Of an op with OpInfo::chains: what it does as a step of a chain, whose number the graph fills in.
  virtual kernels::ChainForward forward_step(const Run&) const { return {}; }
  virtual kernels::ChainBackward backward_step(const Run&) const { return {}; }
  // The step is taken, if norm says so: what is not learned by gradients moves now.
  virtual void commit(const Run&, const kernels::GradientNorm*) {}
};

// What a gradient passes on its way through an op.
struct Flow {
  std::vector<Value> inputs;
  std::vector<const Parameter*> learns;       // dense parameters whose gradients backward writes
  std::vector<const EmbeddingTable*> tables;  // likewise, sparse gradients
};

// What the planner and --dry-run need to know of an op.
struct OpInfo {
  std::string name;  // "aka/last/0"
  std::string kind;  // "linear 256 → 128, relu"
  std::vector<Value> inputs;
  std::vector<Value> outputs;
  std::vector<Value> saved;            // values, inputs or outputs or own, that backward reads
  std::int64_t forward_workspace = 0;  // floats, at call_rows(), or of a whole batch max_rows(); at a multiple of 64 B
  std::int64_t backward_workspace = 0;
  std::int64_t prepared = 0;  // floats that prepare() fills; begin likewise
  std::int64_t partials = 0;  // doubles that a backward call leaves for finish()
  // A row of what the call writes depends on other rows than its own; sums into what the op learns do not count.
  bool whole_batch_forward = false, whole_batch_backward = false;
  std::vector<const Parameter*> learns;  // dense parameters whose gradients backward writes
  std::vector<Flow> flows;      // one an output, where an output does not depend on all of `inputs` and `learns`
  std::int64_t parameters = 0;  // the size of `learns`; filled by Graph::record
  double flops = 0;             // a row, forward
  bool has_backward = true;
  std::string group;               // ops of equal text run as one call where they can; empty: alone
  bool chains = false;             // the device takes it as a step of a chain
  kernels::LayerSize layer{0, 0};  // of such a step that is a layer
};

// What follows a forward pass: at most one backward pass; any number, so that nothing that they read is overwritten; or
// one, as a single pass with it, Graph::train().
enum class Passes { apart, repeatable, together };

class Graph {
 public:
  // training: plan gradients too. Without it backward() is an error and values die after their last reader.
  Graph(const Device& device, std::int64_t max_rows, bool training);

  // ---- recording: used by engine/ops
  Value add_value(std::int64_t width, bool needs_gradient, std::string name);
  Value add_view(Value of, std::int64_t first_column, std::int64_t width, bool needs_gradient, std::string name);
  // Makes `part`, with all that views it, columns first_column.. of `whole`. False if it is part of something already.
  bool move_into(Value part, Value whole, std::int64_t first_column);
  // The numbers of `value` are those at `data`, whose rows are `stride` apart, until it is shown others (null: its own
  // again). False, and nothing is done, if it is part of something or kept.
  bool show(Value value, const float* data, std::int64_t stride);
  Input add_input(std::string name);
  void record(std::unique_ptr<Op> op, OpInfo info);
  void add_sparse_gradient(const SparseGradient* gradient) { sparse_gradients_.push_back(gradient); }
  void keep(Value value);  // readable after forward(): never reuse its memory
  // The most rows of a call of an op that does not need the whole batch.
  std::int64_t call_rows() const { return tile_rows_ > 0 ? std::min(tile_rows_, max_rows_) : max_rows_; }

  // ---- running
  void plan(Passes passes = Passes::apart);
  void bind(Input input, InputColumn column) { inputs_[static_cast<std::size_t>(input.id)].column = column; }
  void forward(std::int64_t rows);
  // Of the loss ops; parameter gradients are then in Parameters and sparse_gradients(). Planned as together, it first
  // repeats the calls whose values died with their tile.
  void backward(std::int64_t rows);
  void train(std::int64_t rows);  // forward() and backward(); planned as together, in one pass
  // The step that the last forward() and backward() led to is taken, if its gradients are finite: running statistics
  // move. norm: in the device's memory.
  void commit(const kernels::GradientNorm* norm) const;

  // ---- looking
  bool overlap(Value a, Value b) const;  // whether they share a column of memory
  // The parameters and tables that a gradient of `value` reaches.
  Flow reached_from(Value value) const;
  std::int64_t width(Value value) const { return values_[static_cast<std::size_t>(value.id)].width; }
  // The numbers of a value that learns, seen without its gradient; must not become part of something that has one.
  bool detached(Value value) const { return values_[static_cast<std::size_t>(value.id)].detached; }
  void set_detached(Value value) { values_[static_cast<std::size_t>(value.id)].detached = true; }
  bool needs_gradient(Value value) const { return values_[static_cast<std::size_t>(value.id)].needs_gradient; }
  const std::string& name(Value value) const { return values_[static_cast<std::size_t>(value.id)].name; }
  const std::vector<std::string>& input_names() const { return input_names_; }
  // Contents after forward(), in the device's memory: of kept values, and of any that a batch of one tile left.
  Matrix matrix(Value value) const;
  std::vector<float> read(Value value, std::int64_t rows) const;  // the same, [rows, width], on the host; waits
  const std::vector<OpInfo>& ops() const { return infos_; }
  // What forward() does, in order: each call is one op, several of one group, or chains. Indices into ops().
  const std::vector<std::vector<std::size_t>>& calls() const { return calls_; }
  const std::vector<const SparseGradient*>& sparse_gradients() const { return sparse_gradients_; }
  std::int64_t max_rows() const { return max_rows_; }
  bool training() const { return training_; }
  const Device& device() const { return device_; }
  // Of the batch, of every thread's tile, and the tiles' gradients of dense parameters.
  std::int64_t arena_bytes() const;
  std::int64_t unplanned_bytes() const { return unplanned_bytes_; }  // what it would take without sharing

 private:
  friend struct Run;
  struct ValueInfo {
    std::int32_t storage;
    std::int64_t column, width;
    bool needs_gradient, kept = false, detached = false;
    std::string name;
  };
  struct Address {
    std::int64_t offset = -1;  // floats, into the batch's arena or into a tile's
    bool tiled = false;
  };
  struct Storage {
    std::int64_t width;
    std::int32_t parent = -1;  // a storage that this one became a part of
    std::int64_t parent_column = 0;
    Address value, gradient;
    std::int64_t stride = 0;
    Matrix shown;  // data null: in the arena
  };
  struct InputInfo {
    InputColumn column;
  };
  struct Fill {  // columns of a gradient that are zeroed before an op's backward call
    std::int32_t storage;
    std::int64_t column, width;
  };
  struct Step {                            // what plan() found out about one op
    std::vector<bool> wanted, accumulate;  // gradients of the inputs
    std::vector<Fill> fills;
    bool backward = false;
    Address workspace_forward, workspace_backward, prepared, partials;
    std::vector<std::int64_t> gradients;  // of OpInfo::learns, in Tile::gradients
  };
  struct Piece {  // of a dense parameter's gradient
    float* to;
    std::int64_t from, floats;  // in Tile::gradients
  };
  // Calls that run one after the other over the whole batch (one call), or over one tile after the other.
  struct Segment {
    std::int64_t first, last;  // times: call i of n runs forward at i and backward at 2n − 1 − i
    bool tiled;
    std::int64_t gradient_floats = 0;
    std::vector<Piece> pieces;
    std::vector<std::size_t> finished;  // ops with partials
  };
  struct Slot {  // what a thread needs for a tile
    std::atomic<bool> busy = false;
    Buffer arena, gradients;  // the latter of a tile whose group has a partial sum already
    std::vector<Op::Member> members;
  };
  struct Place {
    std::int32_t storage;
    std::int64_t column;
  };
  class Planner;

  // graph_chains.cpp
  void join_chains();
  bool touch(std::size_t a, std::size_t b) const;  // whether one op reads or adds to what the other writes
  std::vector<std::int32_t> chains_of(const std::vector<std::size_t>& ops) const;  // a number from 0 each
  static void sort_by_chain(std::vector<std::size_t>& call, std::vector<std::int32_t>& chains);
  std::int64_t chain_workspace(const std::vector<std::size_t>& ops) const;
  void run_chains(const std::vector<std::size_t>& call, const std::vector<std::int32_t>& chains, std::int64_t rows);
  void run_chains_backward(const std::vector<std::size_t>& call, const std::vector<std::int32_t>& chains,
                           std::int64_t rows);

  Place resolve(Value value) const;  // the root storage and the column in it
  Run run_of(std::size_t op, bool backward, std::int64_t rows, const Tile& tile = {}) const {
    return {*this, *device_.kernels, rows, op, backward, tile};
  }
  float* at(const Address& address, const Tile& tile, std::int64_t stride) const;
  Matrix value_in(Value value, const Tile& tile) const;
  Matrix gradient_in(Value value, const Tile& tile) const;
  void prepare(std::int64_t rows);
  void run_forward_of(std::size_t call, std::int64_t rows, const Tile& tile, std::vector<Op::Member>& members);
  void run_backward_of(std::size_t call, std::int64_t rows, const Tile& tile, std::vector<Op::Member>& members);

  // graph_tiles.cpp
  std::int64_t times() const { return static_cast<std::int64_t>(calls_.size()); }
  std::int64_t tiles_of(std::int64_t rows) const;
  std::int64_t groups_of(const Segment& segment, std::int64_t tiles) const;
  void make_slots(std::int64_t floats);
  Slot& take_slot();
  void run_times(std::int64_t first, std::int64_t last, std::int64_t rows);
  void run_call(std::int64_t time, std::int64_t rows, const Tile& tile, std::vector<Op::Member>& members);
  void run_tiles(const Segment& segment, std::int64_t last, std::int64_t rows);
  void run_group(const Segment& segment, std::int64_t last, std::int64_t rows, std::int64_t group);
  void sum_gradients(const Segment& segment, std::int64_t groups);

  Device device_;
  std::int64_t max_rows_, tile_rows_;  // the latter 0: no tiles
  bool training_, planned_ = false;
  Passes passes_ = Passes::apart;
  std::vector<ValueInfo> values_;
  std::vector<Storage> storages_;
  std::vector<InputInfo> inputs_;
  std::vector<std::string> input_names_;
  std::vector<std::unique_ptr<Op>> ops_;
  std::vector<OpInfo> infos_;
  std::vector<Step> steps_;
  std::vector<std::vector<std::size_t>> calls_;
  std::vector<std::vector<std::int32_t>> chains_;  // of each call's ops, never falling; empty: not a call of chains
  std::vector<Segment> segments_;
  std::vector<Op::Member> members_;  // of the call of a whole batch that runs
  std::vector<kernels::ChainForward> forward_steps_;
  std::vector<kernels::ChainBackward> backward_steps_;
  std::vector<const SparseGradient*> sparse_gradients_;
  Buffer arena_;
  std::deque<Slot> slots_;
  Buffer partial_gradients_;  // a group of tiles has one of `gradient_floats` of its segment
  std::int64_t unplanned_bytes_ = 0;
  std::int64_t rows_ = 0;  // of the last forward()
};

}  // namespace mal

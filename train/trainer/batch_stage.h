// The way of a batch to a graph's inputs. Where the device's memory is the host's the graph reads the batch itself.
// Elsewhere its columns are packed into one block of pinned memory and copied in one piece, in the upload queue: there
// are two blocks, so that one is copied while a step works on the other.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/graph.h"
#include "model/batch.h"
#include "model/schema.h"
#include "model/trunk.h"

namespace mal {

class BatchStage {
 public:
  // The three must outlive it.
  BatchStage(Graph& graph, const ModelInputs& inputs, const Schema& schema);

  // Binds the inputs to the batch, which may be changed when this returns if reads_batch() is false. Waits only for the
  // step before the last. The step is then asked for, and done() said.
  void load(const Batch& batch);
  void done();

  // Room in the device's memory for `count` batches; false where it is the host's, which has them already.
  bool keep(std::int64_t count);
  void load_and_keep(const Batch& batch, std::int64_t index);
  void load_kept(std::int64_t index);
  bool reads_batch() const { return reaches_host_; }
  std::size_t slot() const { return slot_; }  // where the inputs now lie: 0 or 1, always the same memory

 private:
  struct Piece {  // a column's offsets in the block; those that it has not are ignored
    std::size_t column, length;
    std::size_t ids = kNone, lengths = kNone, values = kNone;
    std::size_t stride = 1;  // of a number's or credit's values: these columns lie side by side
  };
  struct Slot {
    PinnedBuffer host;
    Buffer device;
    std::unique_ptr<kernels::Event> uploaded, consumed;
  };
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  void lay_out();
  void pack(const Batch& batch, std::byte* block) const;
  Slot& next_slot();
  void copy_into(Slot& slot, const void* from);
  void bind(const std::byte* block);

  Graph& graph_;
  const ModelInputs& inputs_;
  const Schema& schema_;
  bool reaches_host_;
  std::vector<Piece> pieces_;
  std::size_t bytes_ = 0;
  std::array<Slot, 2> slots_;
  std::size_t slot_ = 0;
  Buffer kept_;
  std::unique_ptr<kernels::Event> kept_written_;  // the last copy into kept_
};

}  // namespace mal

#include "train/trainer/batch_stage.h"

#include <cstring>

#include "engine/error.h"

namespace mal {

namespace {

constexpr std::size_t kAlignment = 256;
constexpr Purpose kPurpose{"the columns of a batch", "lower train.batch_size or train.eval_batch_size"};

}  // namespace

BatchStage::BatchStage(Graph& graph, const ModelInputs& inputs, const Schema& schema)
    : graph_(graph), inputs_(inputs), schema_(schema), reaches_host_(graph.device().memory->reaches_host()) {
  if (reaches_host_) return;
  lay_out();
  const Memory& memory = graph.device().memory;
  for (Slot& slot : slots_) {
    slot.host = PinnedBuffer(memory, bytes_, kPurpose);
    slot.device = Buffer(memory, bytes_, kPurpose);
    slot.uploaded = memory->make_event();
    slot.consumed = memory->make_event();
  }
}

void BatchStage::lay_out() {
  const auto place = [&](std::size_t length) {
    const std::size_t offset = bytes_;
    const std::size_t size = static_cast<std::size_t>(graph_.max_rows()) * length * sizeof(std::int32_t);
    bytes_ += (size + kAlignment - 1) / kAlignment * kAlignment;
    return offset;
  };
  static_assert(sizeof(float) == sizeof(std::int32_t));
  for (const ColumnKind kind : {ColumnKind::number, ColumnKind::credit, ColumnKind::weight}) {
    const std::vector<int> columns = schema_.columns_of(kind);
    const std::size_t first = place(columns.size());
    for (std::size_t i = 0; i < columns.size(); ++i)
      pieces_.push_back(
          {static_cast<std::size_t>(columns[i]), 1, kNone, kNone, first + i * sizeof(float), columns.size()});
  }
  for (std::size_t c = 0; c < schema_.columns.size(); ++c) {
    const Column& column = schema_.columns[c];
    const bool single =
        column.kind == ColumnKind::number || column.kind == ColumnKind::credit || column.kind == ColumnKind::weight;
    if (inputs_.columns[c].id < 0 || single) continue;
    const bool scores = column.kind == ColumnKind::scores;
    const bool ragged = column.kind == ColumnKind::ids || column.kind == ColumnKind::sequence || scores;
    Piece piece{c, ragged ? static_cast<std::size_t>(column.length) : 1};
    if (scores)
      piece.values = place(piece.length);
    else
      piece.ids = place(piece.length);
    if (ragged) piece.lengths = place(1);
    pieces_.push_back(piece);
  }
}

void BatchStage::pack(const Batch& batch, std::byte* block) const {
  const auto rows = static_cast<std::size_t>(batch.rows);
  const auto put = [&](std::size_t offset, const auto& from, std::size_t length) {
    if (offset != kNone && rows > 0) std::memcpy(block + offset, from.data(), rows * length * sizeof(from.front()));
  };
  for (const Piece& piece : pieces_) {
    const BatchColumn& column = batch.columns[piece.column];
    put(piece.ids, column.ids, piece.length);
    put(piece.lengths, column.lengths, 1);
    if (piece.stride == 1) {
      put(piece.values, column.values, piece.length);
      continue;
    }
    auto* const values = reinterpret_cast<float*>(block + piece.values);
    for (std::size_t r = 0; r < rows; ++r) values[r * piece.stride] = column.values[r];
  }
}

void BatchStage::bind(const std::byte* block) {
  for (const Piece& piece : pieces_) {
    const auto at = [&](std::size_t offset) -> const void* { return offset == kNone ? nullptr : block + offset; };
    graph_.bind(inputs_.columns[piece.column],
                {static_cast<const std::int32_t*>(at(piece.ids)), static_cast<const std::int32_t*>(at(piece.lengths)),
                 static_cast<const float*>(at(piece.values)), static_cast<std::int64_t>(piece.stride)});
  }
}

BatchStage::Slot& BatchStage::next_slot() {
  slot_ = 1 - slot_;
  return slots_[slot_];
}

void BatchStage::copy_into(Slot& slot, const void* from) {
  kernels::Runtime& runtime = *graph_.device().memory;
  runtime.wait(kernels::Queue::upload, *slot.consumed);
  runtime.copy(slot.device.data(), from, bytes_, kernels::Queue::upload);
  runtime.record(*slot.uploaded, kernels::Queue::upload);
  runtime.wait(kernels::Queue::compute, *slot.uploaded);
  bind(slot.device.as<std::byte>());
}

void BatchStage::load(const Batch& batch) {
  if (reaches_host_) return bind_batch(graph_, inputs_, schema_, batch);
  if (batch.rows > graph_.max_rows()) fail("a batch of {} rows, at most {} are planned", batch.rows, graph_.max_rows());
  Slot& slot = next_slot();
  graph_.device().memory->wait(*slot.uploaded);  // what lay in the host's block is gone
  pack(batch, slot.host.as());
  copy_into(slot, slot.host.as());
}

void BatchStage::done() {
  if (!reaches_host_) graph_.device().memory->record(*slots_[slot_].consumed, kernels::Queue::compute);
}

bool BatchStage::keep(std::int64_t count) {
  if (reaches_host_) return false;
  kept_ = Buffer(graph_.device().memory, static_cast<std::size_t>(count) * bytes_,
                 {"the training rows", "set data.on_device: false"});
  kept_written_ = graph_.device().memory->make_event();
  return true;
}

void BatchStage::load_and_keep(const Batch& batch, std::int64_t index) {
  load(batch);
  kernels::Runtime& runtime = *graph_.device().memory;
  runtime.copy(kept_.as<std::byte>() + static_cast<std::size_t>(index) * bytes_, slots_[slot_].device.data(), bytes_,
               kernels::Queue::compute);
  runtime.record(*kept_written_, kernels::Queue::compute);
}

void BatchStage::load_kept(std::int64_t index) {
  // The step before may still be writing it, where the data are a batch or two.
  graph_.device().memory->wait(kernels::Queue::upload, *kept_written_);
  copy_into(next_slot(), kept_.as<std::byte>() + static_cast<std::size_t>(index) * bytes_);
}

}  // namespace mal

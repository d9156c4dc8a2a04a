// Gradients of tables, first half: every position of every lookup is a slot whose key is its row, counted through all
// tables. Slots are sorted by key (stable, so those of one row stay in order); equal keys are a segment. Sizes and
// launches depend on the shapes alone, never on the ids, so all of it can be captured.
#pragma once

#include "kernels/cuda/support/chunk.h"
#include "kernels/cuda/support/pooling.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

struct Part {  // a lookup
  LookupGradient lookup;
  std::uint32_t first_slot, first_key;
  std::uint32_t slots;
};
struct Table {
  std::int32_t* rows;
  float* values;
  std::int64_t* count;
  std::uint32_t first_key;
  std::int32_t width;
  std::int32_t index;
  bool vector;  // 16-byte access
};

// Everything in the workspace.
struct Slots {
  Part* parts;
  Table* tables;
  std::uint32_t *keys, *slots, *sorted_keys, *sorted_slots;
  std::uint32_t* tile_heads;     // segments that begin in each tile
  std::uint32_t* starts;         // [N + 1] first slot of each segment, and the end
  std::uint32_t* first_segment;  // [tables + 1]
  std::byte* temporary;
  std::int64_t temporary_bytes, bytes;
  std::int32_t part_count, table_count;
  std::uint32_t slot_count, unused_key;  // the key of slots beyond a row's length: behind all others
};

__device__ inline int table_of(const Slots& s, std::uint32_t key) {
  int low = 0, high = s.table_count;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (key < s.tables[middle].first_key)
      high = middle;
    else
      low = middle;
  }
  return low;
}

// Whether each row of a table's gradient, and each lookup's, can be read 16 bytes at a time.
bool allows_vectors(const TableGradient& table);

// Sorted slots, the segments and which of them are whose; every table's count is 0 until the sums are made.
Slots sort_slots(const TableGradient* tables, std::int32_t count, std::int64_t rows, void* workspace);
std::int64_t slots_bytes(std::int32_t tables, std::int32_t lookups, std::int64_t capacity);

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

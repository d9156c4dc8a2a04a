// Gradients of tables, first half: every position of every lookup is a slot whose key is its row, counted through all
// tables. Slots are sorted by key (stable, so those of one row stay in order); equal keys are a segment. Sizes and
// launches depend on the shapes alone, never on the ids, so all of it can be captured.
#pragma once

#include "kernels/cuda/support/chunk.h"
#include "kernels/cuda/support/pooling.h"
#include "kernels/cuda/support/sort.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

struct Part {  // a lookup
  LookupGradient lookup;
  std::uint32_t first_slot, first_key, end_key;  // keys of its table
  std::int32_t table;
};
struct Table {
  std::int32_t* rows;
  float* values;
  std::int64_t* count;
  std::uint32_t width;  // of a row, twice; 1 more where rows are read 16 bytes at a time
};

// The segment at a block's end that begins in it and goes on in the next, if there is one.
struct Crossing {
  float* values;  // of its row, which have what this block added up; or null
  std::uint32_t width;
  std::uint32_t passes;  // this block is one segment that came from before and goes on
};

// How the sums are cut: a group of lanes takes a window of kWindow sorted slots, a block as many as it has groups.
inline constexpr int kSumThreads = 256;
inline constexpr std::uint32_t kWindow = 32;
struct SumShape {
  std::uint32_t lanes, columns;  // of a window; columns: 16-byte parts of the widest row
  std::uint32_t block, blocks;   // slots of a block
};

// Everything in the workspace.
struct Slots {
  Part* parts;
  std::uint32_t* first_slots;  // of the parts
  Table* tables;
  SortBuffers sort;
  const std::uint32_t *keys, *slots;  // sorted
  std::uint32_t* zeros;               // what begins as zeros: a ticket, a word of each block, the sort's later counts
  float4* carries;                    // [blocks, columns] what a block adds to a segment from before
  Crossing* crossings;                // [blocks]
  std::int64_t bytes;
  std::int32_t part_count;
  std::uint32_t zero_count, unused_key;  // unused: the key of slots beyond a row's length, behind all others
  SortShape shape;
  SumShape sums;
};

// The lookup that a slot belongs to.
__device__ inline const Part& part_of(const Slots& s, std::uint32_t slot) {
  int low = 0, high = s.part_count;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (slot < s.first_slots[middle])
      high = middle;
    else
      low = middle;
  }
  return s.parts[low];
}

// Sorted slots; every table's count is 0 until the sums are made.
Slots sort_slots(const TableGradient* tables, std::int32_t count, std::int64_t rows, void* workspace);
std::int64_t slots_bytes(std::int32_t tables, std::int32_t lookups, std::int64_t capacity, std::int32_t width);

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

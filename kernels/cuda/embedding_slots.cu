#include "kernels/cuda/embedding_slots.h"

#include <algorithm>
#include <bit>
#include <string>

#include "kernels/cuda/support/vector.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

namespace {

constexpr int kThreads = 1024;
constexpr std::uint32_t kDigits = kSortDigits;
constexpr std::int64_t kLeastBlock = kWindow * kSumThreads / 32;  // slots of a block of sums, at least

// base null: the sizes alone, for up to `slots` slots.
Slots layout(std::byte* base, std::int32_t tables, std::int32_t parts, std::int64_t slots, std::int32_t width) {
  std::int64_t at = 0;
  const auto take = [&]<typename T>(T*& pointer, std::int64_t count) {
    pointer = base == nullptr ? nullptr : reinterpret_cast<T*>(base + at);
    at += (count * static_cast<std::int64_t>(sizeof(T)) + 255) / 256 * 256;
  };
  const std::int64_t blocks = (slots + kLeastBlock - 1) / kLeastBlock, columns = (width + 3) / 4;
  Slots s{};
  take(s.parts, parts + tables);  // a table without a lookup has an empty one
  take(s.first_slots, parts + tables);
  take(s.tables, tables);
  for (auto* array : {&s.sort.keys[0], &s.sort.keys[1], &s.sort.values[0], &s.sort.values[1]}) take(*array, slots);
  take(s.sort.counts, sort_counts(slots));
  take(s.zeros, 1 + blocks + 3 * sort_counts(slots));
  take(s.carries, blocks * columns);
  take(s.crossings, blocks);
  s.bytes = at;
  return s;
}

bool allows_vectors(const TableGradient& table) {
  bool vector = table.width % 4 == 0 && vectors(table.values, table.width);
  for (std::int32_t l = 0; l < table.lookup_count; ++l)
    vector = vector && vectors(table.lookups[l].dout, table.lookups[l].dout_stride);
  return vector;
}

// ---- keys, and how often each first digit occurs -----------------------------------------------------------------

// A lookup, with what its table is: the first of each table says so.
struct Source {
  Part part;
  Table table;
  bool first_of_table;
};

// Some lookups side by side: the chunk's blocks are slots. A block of the launch takes a range of the sort.
struct Collection {
  Part* parts;  // of these lookups
  std::uint32_t* first_slots;
  Table* tables;
  std::uint32_t *keys, *counts, *zeros;
  std::uint32_t zero_count, unused_key, first_slot, end_slot;
  SortShape shape;
};

__device__ void describe(const Chunk<Source>& chunk, const Collection& c) {
  for (int item = static_cast<int>(threadIdx.x); item < chunk.count; item += kThreads) {
    const Source& source = chunk.items[item];
    c.parts[item] = source.part;
    c.first_slots[item] = source.part.first_slot;
    if (!source.first_of_table) continue;
    c.tables[source.part.table] = source.table;
    *source.table.count = 0;
  }
}

__device__ std::uint32_t key_of(const Chunk<Source>& chunk, const Collection& c, std::uint32_t slot) {
  const Part& part = chunk.items[item_of(chunk, slot - c.first_slot)].part;
  const std::uint32_t unit = slot - part.first_slot, length = static_cast<std::uint32_t>(part.lookup.length);
  const bool valid =
      static_cast<int>(unit % length) < valid_positions(part.lookup.lengths, part.lookup.length, unit / length);
  return valid ? part.first_key + static_cast<std::uint32_t>(part.lookup.ids[unit]) : c.unused_key;
}

// Lookups that do not fit into one launch follow in another, which adds to the counts of a range that both have slots
// of. A range's first launch also clears a share of the zeros.
__global__ void __launch_bounds__(kThreads)
    collect(const __grid_constant__ Chunk<Source> chunk, const __grid_constant__ Collection c) {
  MAL_SHARED(std::uint32_t, counts, [kDigits]);
  const std::uint32_t range = c.first_slot / c.shape.range + blockIdx.x, range_begin = range * c.shape.range;
  const bool first_of_range = range_begin >= c.first_slot;
  const std::uint32_t begin = max(range_begin, c.first_slot), end = min(range_begin + c.shape.range, c.end_slot);
  if (blockIdx.x == 0) describe(chunk, c);
  if (threadIdx.x < kDigits) counts[threadIdx.x] = 0;
  __syncthreads();
  const std::uint32_t digits = (1U << c.shape.digit_bits) - 1;
#pragma unroll 4
  for (std::uint32_t slot = begin + threadIdx.x; slot < end; slot += kThreads) {
    const std::uint32_t key = key_of(chunk, c, slot);
    c.keys[slot] = key;
    atomicAdd(&counts[key & digits], 1U);
  }
  __syncthreads();
  if (range >= c.shape.ranges) return;
  if (threadIdx.x < kDigits) {
    std::uint32_t& count = c.counts[range * kDigits + threadIdx.x];
    count = counts[threadIdx.x] + (first_of_range ? 0 : count);
  }
  if (!first_of_range) return;
  for (std::uint32_t i = range * kThreads + threadIdx.x; i < c.zero_count; i += c.shape.ranges * kThreads)
    c.zeros[i] = 0;
}

// ---- the host's side ----------------------------------------------------------------------------------------------

SumShape sum_shape(std::int64_t slots, std::int32_t width) {
  SumShape shape{4, static_cast<std::uint32_t>(width + 3) / 4, 0, 0};
  while (shape.lanes < 32 && shape.lanes < shape.columns) shape.lanes *= 2;
  shape.block = kWindow * (kSumThreads / shape.lanes);
  shape.blocks = (static_cast<std::uint32_t>(slots) + shape.block - 1) / shape.block;
  return shape;
}

Slots measure(const TableGradient* tables, std::int32_t count, std::int64_t rows, void* workspace) {
  std::int64_t slots = 0, keys = 0;
  std::int32_t parts = 0, width = 0;
  for (std::int32_t t = 0; t < count; ++t) {
    keys += tables[t].table_rows;
    parts += tables[t].lookup_count;
    width = std::max(width, tables[t].width);
    for (std::int32_t l = 0; l < tables[t].lookup_count; ++l) slots += rows * tables[t].lookups[l].length;
  }
  constexpr std::int64_t kMostKeys = 0xFFFFFFFF, kMostSlots = std::int64_t{1} << 30;
  if (keys >= kMostKeys || slots >= kMostSlots)
    throw KernelError("embedding_backward: " + std::to_string(keys) + " rows of all tables together and " +
                      std::to_string(slots) + " ids in a batch: there may be 2^32 and 2^30");
  Slots s = layout(static_cast<std::byte*>(workspace), count, parts, slots, width);
  s.unused_key = static_cast<std::uint32_t>(keys);
  s.shape = SortShape(slots, static_cast<int>(std::bit_width(s.unused_key)));
  s.sums = sum_shape(slots, width);
  const std::uint32_t words = 1 + s.sums.blocks;
  s.sort.later_counts = s.zeros + words;
  s.zero_count = words + static_cast<std::uint32_t>(s.shape.passes - 1) * s.shape.ranges * kDigits;
  s.keys = s.sort.keys[s.shape.passes % 2];
  s.slots = s.sort.values[s.shape.passes % 2];
  return s;
}

void start_collect(const Chunk<Source>& chunk, std::uint32_t first_slot, Slots& s) {
  const Collection c{s.parts + s.part_count,
                     s.first_slots + s.part_count,
                     s.tables,
                     s.sort.keys[0],
                     s.sort.counts,
                     s.zeros,
                     s.zero_count,
                     s.unused_key,
                     first_slot,
                     first_slot + chunk.blocks(),
                     s.shape};
  const std::uint32_t range = s.shape.range, end = c.end_slot;
  const unsigned blocks = std::max(1U, (end + range - 1) / range - first_slot / range);
  launch("embedding_backward's keys", collect, blocks, kThreads, 0, chunk, c);
  s.part_count += chunk.count;
}

void collect_slots(const TableGradient* tables, std::int32_t count, std::int64_t rows, Slots& s) {
  Chunk<Source> chunk;
  std::uint32_t slot = 0, first_key = 0;
  for (std::int32_t t = 0; t < count; ++t) {
    const TableGradient& g = tables[t];
    const auto end_key = first_key + static_cast<std::uint32_t>(g.table_rows);
    const Table table{g.rows, g.values, g.count, static_cast<std::uint32_t>(g.width) * 2 + (allows_vectors(g) ? 1 : 0)};
    for (std::int32_t l = 0; l < std::max(1, g.lookup_count); ++l) {
      const LookupGradient lookup = l < g.lookup_count ? g.lookups[l] : LookupGradient{};
      chunk.add({{lookup, slot + chunk.blocks(), first_key, end_key, t}, table, l == 0}, rows * lookup.length);
      if (chunk.count < Chunk<Source>::kMost) continue;
      start_collect(chunk, slot, s);
      slot += chunk.blocks();
      chunk = {};
    }
    first_key = end_key;
  }
  if (chunk.count > 0) start_collect(chunk, slot, s);
}

}  // namespace

Slots sort_slots(const TableGradient* tables, std::int32_t count, std::int64_t rows, void* workspace) {
  Slots s = measure(tables, count, rows, workspace);
  collect_slots(tables, count, rows, s);
  sort_pairs(s.shape, s.sort);
  return s;
}

std::int64_t slots_bytes(std::int32_t tables, std::int32_t lookups, std::int64_t capacity, std::int32_t width) {
  return layout(nullptr, tables, lookups, capacity, width).bytes;
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

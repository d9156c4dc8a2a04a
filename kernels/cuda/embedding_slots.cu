#include "kernels/cuda/embedding_slots.h"

#include <algorithm>
#include <bit>
#include <string>

#include "kernels/cuda/support/reduce.h"
#include "kernels/cuda/support/sort.h"
#include "kernels/cuda/support/vector.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

namespace {

constexpr int kThreads = 256;
constexpr int kSlots = 4;  // of each thread
constexpr std::int64_t kTile = kThreads * kSlots;

std::int64_t tiles_of(std::int64_t slots) {
  return (slots + kTile - 1) / kTile;
}

// base null: the sizes alone.
Slots layout(std::byte* base, std::int32_t tables, std::int32_t parts, std::int64_t slots) {
  std::int64_t at = 0;
  const auto take = [&]<typename T>(T*& pointer, std::int64_t count) {
    pointer = base == nullptr ? nullptr : reinterpret_cast<T*>(base + at);
    at += (count * static_cast<std::int64_t>(sizeof(T)) + 255) / 256 * 256;
  };
  Slots s{};
  take(s.parts, parts + tables);  // a table without a lookup has an empty one
  take(s.tables, tables);
  for (auto* array : {&s.keys, &s.slots, &s.sorted_keys, &s.sorted_slots}) take(*array, slots);
  take(s.tile_heads, tiles_of(slots));
  take(s.starts, slots + 1);
  take(s.first_segment, tables + 1);
  s.temporary_bytes = slots == 0 ? 0 : sort_pairs_bytes(slots);
  take(s.temporary, s.temporary_bytes);
  s.bytes = at;
  s.table_count = tables;
  s.slot_count = static_cast<std::uint32_t>(slots);
  return s;
}

// A lookup, with what its table is: the first of each table says so.
struct Source {
  Part part;
  Table table;
  bool first_of_table;
};

__global__ void __launch_bounds__(kThreads)
    collect(const __grid_constant__ Chunk<Source> chunk, Part* parts, const __grid_constant__ Slots s) {
  const int item = item_of(chunk, blockIdx.x);
  const Source& source = chunk.items[item];
  const Part& part = source.part;
  const std::uint32_t first = (blockIdx.x - static_cast<unsigned>(chunk.first[item])) * static_cast<unsigned>(kTile);
  if (first == 0 && threadIdx.x == 0) {
    parts[item] = part;
    if (source.first_of_table) {
      s.tables[source.table.index] = source.table;
      *source.table.count = 0;
    }
  }
  const auto length = static_cast<std::uint32_t>(part.lookup.length);
#pragma unroll
  for (int n = 0; n < kSlots; ++n) {
    const std::uint32_t unit = first + static_cast<unsigned>(n) * kThreads + threadIdx.x;
    if (unit >= part.slots) continue;
    const bool valid =
        static_cast<int>(unit % length) < valid_positions(part.lookup.lengths, part.lookup.length, unit / length);
    s.keys[part.first_slot + unit] =
        valid ? part.first_key + static_cast<std::uint32_t>(part.lookup.ids[unit]) : s.unused_key;
    s.slots[part.first_slot + unit] = part.first_slot + unit;
  }
}

// ---- segments -----------------------------------------------------------------------------------------------------

__device__ bool begins_segment(const Slots& s, std::uint32_t i) {
  return i < s.slot_count && s.sorted_keys[i] != s.unused_key && (i == 0 || s.sorted_keys[i - 1] != s.sorted_keys[i]);
}

// The slots of a thread lie side by side.
__device__ std::uint32_t first_of_thread() {
  return (blockIdx.x * kThreads + threadIdx.x) * kSlots;
}
__device__ std::uint32_t segments_of_thread(const Slots& s) {
  std::uint32_t count = 0;
  for (std::uint32_t n = 0; n < kSlots; ++n) count += begins_segment(s, first_of_thread() + n) ? 1U : 0U;
  return count;
}

__global__ void __launch_bounds__(kThreads) count_segments(const __grid_constant__ Slots s) {
  const std::uint32_t count = block_sum(segments_of_thread(s));
  if (threadIdx.x == 0) s.tile_heads[blockIdx.x] = count;
}

// Segment `index` begins at slot i (or it is the end of all, with the table behind the last): the tables that begin
// between the segment before it and this one begin here.
__device__ void begin_tables(const Slots& s, std::uint32_t i, std::uint32_t index, int table) {
  const int before = i == 0 ? -1 : table_of(s, s.sorted_keys[i - 1]);
  for (int t = before + 1; t <= table; ++t) s.first_segment[t] = index;
}

// Every block adds up for itself what begins in the tiles before it: a few thousand numbers at most, and no launch.
__global__ void __launch_bounds__(kThreads) mark_segments(const __grid_constant__ Slots s) {
  std::uint32_t before = 0;
  for (std::uint32_t tile = threadIdx.x; tile < blockIdx.x; tile += kThreads) before += s.tile_heads[tile];
  before = block_sum(before);
  std::uint32_t index = before + block_scan(segments_of_thread(s)).before;
  for (std::uint32_t n = 0; n < kSlots; ++n) {
    const std::uint32_t i = first_of_thread() + n;
    if (begins_segment(s, i)) {
      s.starts[index] = i;
      begin_tables(s, i, index, table_of(s, s.sorted_keys[i]));
      ++index;
    }
    const bool used = i < s.slot_count && s.sorted_keys[i] != s.unused_key;
    const bool first_unused = i < s.slot_count && !used && (i == 0 || s.sorted_keys[i - 1] != s.unused_key);
    if (!first_unused && !(used && i + 1 == s.slot_count)) continue;
    const std::uint32_t end = first_unused ? i : i + 1;
    s.starts[index] = end;
    begin_tables(s, end, index, s.table_count);
  }
}

// ---- the host's side ----------------------------------------------------------------------------------------------

Slots measure(const TableGradient* tables, std::int32_t count, std::int64_t rows, void* workspace) {
  std::int64_t slots = 0, keys = 0;
  std::int32_t parts = 0;
  for (std::int32_t t = 0; t < count; ++t) {
    keys += tables[t].table_rows;
    parts += tables[t].lookup_count;
    for (std::int32_t l = 0; l < tables[t].lookup_count; ++l) slots += rows * tables[t].lookups[l].length;
  }
  constexpr std::int64_t kMost = 0xFFFFFFFF;
  if (keys >= kMost || slots >= kMost - kTile)
    throw KernelError("embedding_backward: " + std::to_string(keys) + " rows of all tables together and " +
                      std::to_string(slots) + " ids in a batch: each must be below 2^32");
  Slots s = layout(static_cast<std::byte*>(workspace), count, parts, slots);
  s.unused_key = static_cast<std::uint32_t>(keys);
  return s;
}

void collect_slots(const TableGradient* tables, std::int32_t count, std::int64_t rows, Slots& s) {
  Chunk<Source> chunk;
  const auto start = [&] {
    launch("embedding_backward's keys", collect, chunk.blocks(), kThreads, 0, chunk, s.parts + s.part_count, s);
    s.part_count += chunk.count;
    chunk = {};
  };
  std::int64_t key = 0, slot = 0;
  for (std::int32_t t = 0; t < count; ++t) {
    const TableGradient& g = tables[t];
    const auto first_key = static_cast<std::uint32_t>(key);
    const Table table{g.rows, g.values, g.count, first_key, g.width, t, allows_vectors(g)};
    for (std::int32_t l = 0; l < std::max(1, g.lookup_count); ++l) {
      const LookupGradient lookup = l < g.lookup_count ? g.lookups[l] : LookupGradient{};
      const std::int64_t slots = rows * lookup.length;
      chunk.add(
          {{lookup, static_cast<std::uint32_t>(slot), first_key, static_cast<std::uint32_t>(slots)}, table, l == 0},
          std::max(std::int64_t{1}, tiles_of(slots)));
      slot += slots;
      if (chunk.count == Chunk<Source>::kMost) start();
    }
    key += g.table_rows;
  }
  if (chunk.count > 0) start();
}

}  // namespace

bool allows_vectors(const TableGradient& table) {
  bool vector = table.width % 4 == 0 && vectors(table.values, table.width);
  for (std::int32_t l = 0; l < table.lookup_count; ++l)
    vector = vector && vectors(table.lookups[l].dout, table.lookups[l].dout_stride);
  return vector;
}

Slots sort_slots(const TableGradient* tables, std::int32_t count, std::int64_t rows, void* workspace) {
  Slots s = measure(tables, count, rows, workspace);
  collect_slots(tables, count, rows, s);
  if (s.slot_count == 0) return s;
  sort_pairs(
      {s.keys, s.sorted_keys, s.slots, s.sorted_slots, s.slot_count, static_cast<int>(std::bit_width(s.unused_key))},
      s.temporary, s.temporary_bytes);
  const auto tiles = static_cast<unsigned>(tiles_of(s.slot_count));
  launch("embedding_backward's segments", count_segments, tiles, kThreads, 0, s);
  launch("embedding_backward's segments", mark_segments, tiles, kThreads, 0, s);
  return s;
}

std::int64_t slots_bytes(std::int32_t tables, std::int32_t lookups, std::int64_t capacity) {
  return layout(nullptr, tables, lookups, capacity).bytes;
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

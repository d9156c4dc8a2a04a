// Gradients of all tables at once. Every position of every lookup is a slot; its key is its row, counted through all
// tables. Slots are sorted by key (stable, so those of one row stay in order), equal keys are a segment, and a few
// lanes sum a segment. Popular rows have long segments: a block sums one in pieces and adds the pieces in order. No
// atomics, one order of additions. Nothing of it depends on the values of the ids, so it can be captured.
#include <bit>
#include <string>

#include "kernels/cuda/support/chunk.h"
#include "kernels/cuda/support/pooling.h"
#include "kernels/cuda/support/reduce.h"
#include "kernels/cuda/support/sort.h"
#include "kernels/cuda/support/vector.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

namespace {

constexpr int kThreads = 256;
constexpr int kSlots = 4;  // of each thread
constexpr std::int64_t kTile = kThreads * kSlots;
constexpr int kScanThreads = 128;     // a tile each, then the next tiles
constexpr std::int64_t kPiece = 256;  // slots that one group of lanes sums

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
  bool vector;
};

// Everything in the workspace.
struct Space {
  Part* parts;
  Table* tables;
  std::uint32_t *keys, *slots, *sorted_keys, *sorted_slots;
  std::uint32_t* tile_heads;     // [tiles + 1] segments that begin in a tile, then in all before it; last, all
  std::uint32_t* starts;         // [N + 1] first slot of each segment, and the end
  std::uint32_t* first_segment;  // [tables + 1]
  std::byte* temporary;
  std::int64_t temporary_bytes, bytes;
  std::int32_t part_count, table_count;
  std::uint32_t slot_count, unused_key;  // the key of slots beyond a row's length: behind all others
};

std::int64_t tiles_of(std::int64_t slots) {
  return (slots + kTile - 1) / kTile;
}

// base null: the sizes alone.
Space layout(std::byte* base, std::int32_t tables, std::int32_t parts, std::int64_t slots) {
  std::int64_t at = 0;
  const auto take = [&]<typename T>(T*& pointer, std::int64_t count) {
    pointer = base == nullptr ? nullptr : reinterpret_cast<T*>(base + at);
    at += (count * static_cast<std::int64_t>(sizeof(T)) + 255) / 256 * 256;
  };
  Space s{};
  take(s.parts, parts);
  take(s.tables, tables);
  for (auto* array : {&s.keys, &s.slots, &s.sorted_keys, &s.sorted_slots}) take(*array, slots);
  take(s.tile_heads, tiles_of(slots) + 1);
  take(s.starts, slots + 1);
  take(s.first_segment, tables + 1);
  s.temporary_bytes = slots == 0 ? 0 : sort_pairs_bytes(slots);
  take(s.temporary, s.temporary_bytes);
  s.bytes = at;
  s.part_count = parts;
  s.table_count = tables;
  s.slot_count = static_cast<std::uint32_t>(slots);
  return s;
}

__global__ void describe_tables(const __grid_constant__ Chunk<Table> chunk, Table* tables) {
  const auto i = static_cast<int>(threadIdx.x);
  if (i >= chunk.count) return;
  tables[chunk.items[i].index] = chunk.items[i];
  *chunk.items[i].count = 0;
}

__global__ void __launch_bounds__(kThreads)
    collect(const __grid_constant__ Chunk<Part> chunk, Part* parts, const __grid_constant__ Space s) {
  const int item = item_of(chunk, blockIdx.x);
  const Part& part = chunk.items[item];
  const std::uint32_t first = (blockIdx.x - static_cast<unsigned>(chunk.first[item])) * static_cast<unsigned>(kTile);
  if (first == 0 && threadIdx.x == 0) parts[item] = part;
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

__device__ bool begins_segment(const Space& s, std::uint32_t i) {
  return i < s.slot_count && s.sorted_keys[i] != s.unused_key && (i == 0 || s.sorted_keys[i - 1] != s.sorted_keys[i]);
}

// The slots of a thread lie side by side.
__device__ std::uint32_t first_of_thread() {
  return (blockIdx.x * kThreads + threadIdx.x) * kSlots;
}
__device__ std::uint32_t segments_of_thread(const Space& s) {
  std::uint32_t count = 0;
  for (std::uint32_t n = 0; n < kSlots; ++n) count += begins_segment(s, first_of_thread() + n) ? 1U : 0U;
  return count;
}

__global__ void __launch_bounds__(kThreads) count_segments(const __grid_constant__ Space s) {
  const std::uint32_t count = block_sum(segments_of_thread(s));
  if (threadIdx.x == 0) s.tile_heads[blockIdx.x] = count;
}

// One block: what begins in a tile → what begins before it.
__global__ void __launch_bounds__(kScanThreads) scan_tiles(std::uint32_t* heads, std::int64_t tiles) {
  std::uint32_t before = 0;
  for (std::int64_t first = 0; first < tiles; first += blockDim.x) {
    const std::int64_t i = first + threadIdx.x;
    const std::uint32_t value = i < tiles ? heads[i] : 0;
    const BlockScan<std::uint32_t> scan = block_scan(value);
    if (i < tiles) heads[i] = before + scan.before;
    before += scan.all;
  }
  if (threadIdx.x == 0) heads[tiles] = before;
}

__device__ int table_of(const Space& s, std::uint32_t key) {
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

// Segment `index` begins at slot i (or it is the end of all, with the table behind the last): the tables that begin
// between the segment before it and this one begin here.
__device__ void begin_tables(const Space& s, std::uint32_t i, std::uint32_t index, int table) {
  const int before = i == 0 ? -1 : table_of(s, s.sorted_keys[i - 1]);
  for (int t = before + 1; t <= table; ++t) s.first_segment[t] = index;
}

__global__ void __launch_bounds__(kThreads) mark_segments(const __grid_constant__ Space s) {
  std::uint32_t index = s.tile_heads[blockIdx.x] + block_scan(segments_of_thread(s)).before;
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

// ---- sums ---------------------------------------------------------------------------------------------------------

struct Occurrence {
  const float* gradient;
  float weight;
};
__device__ Occurrence occurrence_at(const Space& s, std::uint32_t sorted, std::int32_t width) {
  const std::uint32_t slot = s.sorted_slots[sorted];
  int low = 0, high = s.part_count;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (slot < s.parts[middle].first_slot)
      high = middle;
    else
      low = middle;
  }
  const LookupGradient& l = s.parts[low].lookup;
  const std::uint32_t unit = slot - s.parts[low].first_slot, length = static_cast<std::uint32_t>(l.length),
                      row = unit / length;
  const float* gradient = l.dout + row * l.dout_stride;
  if (l.pooling == Pooling::none) return {gradient + std::int64_t{unit % length} * width, 1.0F};
  return {gradient, pooling_weight(l.pooling, valid_positions(l.lengths, l.length, row))};
}

// Σ over slots [first, end) in order, columns from `column`; several loads in flight.
template <typename T>
__device__ T sum_slots(const Space& s, std::uint32_t first, std::uint32_t end, std::int32_t width, int column) {
  T sum{};
  for (std::uint32_t i = first; i < end; i += kSlots) {
    T values[kSlots]{};
    float weights[kSlots]{};
#pragma unroll
    for (std::uint32_t n = 0; n < kSlots; ++n) {
      if (i + n >= end) continue;
      const Occurrence occurrence = occurrence_at(s, i + n, width);
      values[n] = load<T>(occurrence.gradient + column);
      weights[n] = occurrence.weight;
    }
#pragma unroll
    for (std::uint32_t n = 0; n < kSlots; ++n)
      if (i + n < end) add_scaled(sum, values[n], weights[n]);
  }
  return sum;
}

struct Segment {
  const Table* table;
  std::uint32_t first, end, row;
  std::int64_t at;  // in its table's result
};
__device__ Segment segment_at(const Space& s, std::uint32_t index) {
  const std::uint32_t first = s.starts[index], key = s.sorted_keys[first];
  const int t = table_of(s, key);
  const Table* table = s.tables + t;
  return {table, first, s.starts[index + 1], key - table->first_key, std::int64_t{index} - s.first_segment[t]};
}

template <typename T>
__device__ void sum_short(const Space& s, const Segment& segment, int lane, int lanes) {
  constexpr int kPart = sizeof(T) / sizeof(float);
  const std::int32_t width = segment.table->width;
  for (int c = lane * kPart; c < width; c += lanes * kPart)
    store(segment.table->values + segment.at * width + c, sum_slots<T>(s, segment.first, segment.end, width, c));
}

// A group of lanes a segment; the grid is for as many segments as there are slots.
__global__ void __launch_bounds__(kThreads) sum_segments(const __grid_constant__ Space s, int lanes) {
  if (blockIdx.x == 0)
    for (int t = static_cast<int>(threadIdx.x); t < s.table_count; t += kThreads)
      *s.tables[t].count = std::int64_t{s.first_segment[t + 1]} - s.first_segment[t];
  const std::uint32_t index = (blockIdx.x * kThreads + threadIdx.x) / static_cast<unsigned>(lanes);
  if (index >= s.first_segment[s.table_count]) return;
  const Segment segment = segment_at(s, index);
  const int lane = static_cast<int>(threadIdx.x) % lanes;
  if (lane == 0) segment.table->rows[segment.at] = static_cast<std::int32_t>(segment.row);
  if (segment.end - segment.first > kPiece) return;
  if (segment.table->vector)
    sum_short<float4>(s, segment, lane, lanes);
  else
    sum_short<float>(s, segment, lane, lanes);
}

template <typename T>
__device__ void sum_long(const Space& s, const Segment& segment, int lanes, T* partial) {
  constexpr int kPart = sizeof(T) / sizeof(float);
  const int lane = static_cast<int>(threadIdx.x) % lanes, group = static_cast<int>(threadIdx.x) / lanes,
            groups = kThreads / lanes;
  const std::int32_t width = segment.table->width;
  for (int before = 0; before < width; before += lanes * kPart) {
    const int column = before + lane * kPart;
    T sum{};
    for (std::int64_t round = segment.first; round < segment.end; round += groups * kPiece) {
      const std::int64_t first = min(std::int64_t{segment.end}, round + group * kPiece),
                         end = min(std::int64_t{segment.end}, first + kPiece);
      if (column < width)
        partial[threadIdx.x] =
            sum_slots<T>(s, static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(end), width, column);
      __syncthreads();
      if (group == 0 && column < width)
        for (int g = 0; g < groups; ++g) add_scaled(sum, partial[g * lanes + lane], 1.0F);
      __syncthreads();
    }
    if (group == 0 && column < width) store(segment.table->values + segment.at * width + column, sum);
  }
}

// Block b looks at slot b · kPiece: a segment longer than that has such a slot, and its first one does the work.
__global__ void __launch_bounds__(kThreads) sum_long_segments(const __grid_constant__ Space s, int lanes) {
  const std::uint32_t segments = s.first_segment[s.table_count];
  const std::uint32_t slot = blockIdx.x * static_cast<unsigned>(kPiece);
  if (slot >= s.starts[segments]) return;
  std::uint32_t low = 0, high = segments;
  while (high - low > 1) {
    const std::uint32_t middle = low + (high - low) / 2;
    if (slot < s.starts[middle])
      high = middle;
    else
      low = middle;
  }
  const Segment segment = segment_at(s, low);
  if (segment.end - segment.first <= kPiece || slot - segment.first >= kPiece) return;
  MAL_SHARED(float4, partial, [kThreads]);
  if (segment.table->vector)
    sum_long(s, segment, lanes, &partial[0]);
  else
    sum_long(s, segment, lanes, reinterpret_cast<float*>(&partial[0]));
}

// ---- the host's side ----------------------------------------------------------------------------------------------

bool allows_vectors(const TableGradient& t) {
  bool vector = t.width % 4 == 0 && vectors(t.values, t.width);
  for (std::int32_t l = 0; l < t.lookup_count; ++l)
    vector = vector && vectors(t.lookups[l].dout, t.lookups[l].dout_stride);
  return vector;
}

int lanes_of(const TableGradient* tables, std::int32_t count) {
  int lanes = 1;
  for (std::int32_t t = 0; t < count; ++t)
    while (lanes < 32 && lanes < (allows_vectors(tables[t]) ? tables[t].width / 4 : tables[t].width)) lanes *= 2;
  return lanes;
}

// Descriptions of tables and lookups with their places in the order of keys and slots.
struct Plan {
  Space space;
  std::int64_t slots = 0, keys = 0;
};

Plan measure(const TableGradient* tables, std::int32_t count, std::int64_t rows, void* workspace) {
  Plan plan;
  std::int32_t parts = 0;
  for (std::int32_t t = 0; t < count; ++t) {
    plan.keys += tables[t].table_rows;
    parts += tables[t].lookup_count;
    for (std::int32_t l = 0; l < tables[t].lookup_count; ++l) plan.slots += rows * tables[t].lookups[l].length;
  }
  constexpr std::int64_t kMost = 0xFFFFFFFF;
  if (plan.keys >= kMost || plan.slots >= kMost - kTile)
    throw KernelError("embedding_backward: " + std::to_string(plan.keys) + " rows of all tables together and " +
                      std::to_string(plan.slots) + " ids in a batch: each must be below 2^32");
  plan.space = layout(static_cast<std::byte*>(workspace), count, parts, plan.slots);
  plan.space.unused_key = static_cast<std::uint32_t>(plan.keys);
  return plan;
}

void describe(const TableGradient* tables, std::int32_t count, const Space& s) {
  std::int64_t key = 0;
  for_each_chunk<Table>(
      count,
      [&](int t) {
        const TableGradient& g = tables[t];
        const Table table{g.rows, g.values, g.count, static_cast<std::uint32_t>(key), g.width, t, allows_vectors(g)};
        key += g.table_rows;
        return table;
      },
      [](int) { return 1; },
      [&](const Chunk<Table>& chunk) {
        launch("embedding_backward's tables", describe_tables, 1, kThreads, 0, chunk, s.tables);
      });
}

void collect_slots(const TableGradient* tables, std::int32_t count, std::int64_t rows, const Space& s) {
  Chunk<Part> chunk;
  std::int32_t done = 0;
  const auto start = [&] {
    launch("embedding_backward's keys", collect, chunk.blocks(), kThreads, 0, chunk, s.parts + done, s);
    done += chunk.count;
    chunk = {};
  };
  std::int64_t key = 0, slot = 0;
  for (std::int32_t t = 0; t < count; ++t) {
    for (std::int32_t l = 0; l < tables[t].lookup_count; ++l) {
      const LookupGradient& lookup = tables[t].lookups[l];
      const std::int64_t slots = rows * lookup.length;
      chunk.add({lookup, static_cast<std::uint32_t>(slot), static_cast<std::uint32_t>(key),
                 static_cast<std::uint32_t>(slots)},
                tiles_of(slots));
      slot += slots;
      if (chunk.count == Chunk<Part>::kMost) start();
    }
    key += tables[t].table_rows;
  }
  if (chunk.count > 0) start();
}

}  // namespace

void embedding_backward(const TableGradient* tables, std::int32_t count, std::int64_t rows, void* workspace) {
  const Plan plan = measure(tables, count, rows, workspace);
  const Space& s = plan.space;
  describe(tables, count, s);
  if (plan.slots == 0) return;
  collect_slots(tables, count, rows, s);
  sort_pairs(
      {s.keys, s.sorted_keys, s.slots, s.sorted_slots, plan.slots, static_cast<int>(std::bit_width(s.unused_key))},
      s.temporary, s.temporary_bytes);
  const std::int64_t tiles = tiles_of(plan.slots);
  launch("embedding_backward's segments", count_segments, static_cast<unsigned>(tiles), kThreads, 0, s);
  launch("embedding_backward's scan", scan_tiles, 1, kScanThreads, 0, s.tile_heads, tiles);
  launch("embedding_backward's segments", mark_segments, static_cast<unsigned>(tiles), kThreads, 0, s);
  const int lanes = lanes_of(tables, count);
  const auto blocks = static_cast<unsigned>((plan.slots * lanes + kThreads - 1) / kThreads);
  launch("embedding_backward", sum_segments, blocks, kThreads, 0, s, lanes);
  const auto pieces = static_cast<unsigned>((plan.slots + kPiece - 1) / kPiece);
  launch("embedding_backward of popular rows", sum_long_segments, pieces, kThreads, 0, s, lanes);
}

std::int64_t embedding_backward_workspace(std::int32_t tables, std::int32_t lookups, std::int64_t capacity) {
  return layout(nullptr, tables, lookups, capacity).bytes;
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

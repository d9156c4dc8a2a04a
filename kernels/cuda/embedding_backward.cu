// Gradients of all tables at once. embedding_slots.cu sorts the ids; here the gradients of equal ones are summed.
//
// The sorted slots are cut into windows of 32, however long the segments of equal ids are, so that a popular row keeps
// many lanes busy and every lane has the same work. The order of additions is fixed by the problem: a segment's slots
// in each window one after the other, then the windows of a block, then the blocks. No atomics on floats.
#include "kernels/cuda/embedding_slots.h"
#include "kernels/cuda/support/look_back.h"
#include "kernels/cuda/support/vector.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

namespace {

constexpr int kThreads = kSumThreads;
constexpr std::uint32_t kInFlight = 8;                                           // rows of each thread
constexpr std::uint32_t kMostWindows = kThreads / 4, kItemStride = kWindow + 1;  // no two windows begin in one bank

// Four columns of a row of floats, or as many as it has; width as Table's. kOnlyRead: nobody writes it in this launch,
// and it is in the device's memory whatever the compiler knows of the pointer.
template <bool kOnlyRead>
__device__ float4 load_columns(const float* row, std::uint32_t width, std::uint32_t column) {
  const std::uint32_t end = width / 2;
  const auto get = [](const auto* from) { return kOnlyRead ? __ldg(from) : *from; };
  if (column >= end) return {};
  if (width % 2 != 0) return get(reinterpret_cast<const float4*>(row + column));
  float4 part{get(row + column), 0, 0, 0};
  if (column + 1 < end) part.y = get(row + column + 1);
  if (column + 2 < end) part.z = get(row + column + 2);
  if (column + 3 < end) part.w = get(row + column + 3);
  return part;
}
__device__ void store_columns(float* row, std::uint32_t width, std::uint32_t column, const float4& part) {
  const std::uint32_t end = width / 2;
  if (column >= end) return;
  if (width % 2 != 0) {
    store(row + column, part);
    return;
  }
  row[column] = part.x;
  if (column + 1 < end) row[column + 1] = part.y;
  if (column + 2 < end) row[column + 2] = part.z;
  if (column + 3 < end) row[column + 3] = part.w;
}

// ---- what a block knows of its slots ------------------------------------------------------------------------------

// Where a slot's gradient is, and what it counts.
struct __align__(16) Item {
  const float* gradient;
  float weight;
  std::uint32_t width;  // as Table's
};
struct Window {
  std::uint32_t heads, starts;  // bits of the slots that begin a segment, and of those that begin a table's first
  std::uint32_t used;           // slots, which come before the unused ones
  std::uint32_t before;         // segments of the table that begin before the window
};
union Place {
  float* values;       // of the row, where a segment begins
  std::uint32_t part;  // before that is known
};
struct Block {
  Window* windows;
  Item* items;                 // [windows][kItemStride]
  Place* places;               // [windows][kWindow]
  float4* partial;             // [threads] what each window adds to a segment from before
  std::uint32_t first, count;  // slots; windows
  bool goes_on;                // the last segment has slots in the next block
};
constexpr std::size_t shared_bytes(std::uint32_t windows) {
  return windows * (kItemStride * sizeof(Item) + kWindow * sizeof(Place)) + kThreads * sizeof(float4);
}

__device__ Item gradient_of(const Slots& s, const Part& part, std::uint32_t slot) {
  const LookupGradient& l = part.lookup;
  const std::uint32_t unit = slot - part.first_slot, length = static_cast<std::uint32_t>(l.length), row = unit / length,
                      width = s.tables[part.table].width;
  const float* gradient = l.dout + row * l.dout_stride;
  if (l.pooling == Pooling::none) return {gradient + std::int64_t{unit % length} * (width / 2), 1.0F, width};
  return {gradient, pooling_weight(l.pooling, valid_positions(l.lengths, l.length, row)), width};
}

// A warp a window, a lane a slot.
__device__ void read_window(const Slots& s, const Block& b, std::uint32_t w) {
  constexpr unsigned kAll = 0xFFFFFFFFU;
  const std::uint32_t lane = threadIdx.x % 32, i = b.first + w * kWindow + lane;
  const std::uint32_t key = i < s.shape.count ? s.keys[i] : s.unused_key;
  const bool used = key != s.unused_key, first = i == 0;
  const std::uint32_t key_before = used && !first ? s.keys[i - 1] : 0;
  Item item{};
  Place place{};
  bool starts = false;
  if (used) {
    const std::uint32_t slot = s.slots[i];
    const Part& part = part_of(s, slot);
    item = gradient_of(s, part, slot);
    place.part = static_cast<std::uint32_t>(&part - s.parts);
    starts = first || key_before < part.first_key;
  }
  b.items[w * kItemStride + lane] = item;
  b.places[w * kWindow + lane] = place;
  const unsigned heads = __ballot_sync(kAll, used && (first || key_before != key)),
                 tables = __ballot_sync(kAll, starts), all = __ballot_sync(kAll, used);
  if (lane == 0) b.windows[w] = {heads, tables, static_cast<std::uint32_t>(__popc(all)), 0};
}

// Segments that begin under the mask, from its last table on.
__device__ std::uint32_t segments_of(const Window& window, std::uint32_t mask) {
  const std::uint32_t starts = window.starts & mask, heads = window.heads & mask;
  if (starts == 0) return static_cast<std::uint32_t>(__popc(heads));
  return kComplete | static_cast<std::uint32_t>(__popc(heads >> (31 - __clz(static_cast<int>(starts)))));
}

// Numbers the segments of each table through all blocks. One warp. Returns whether a segment begins in the block.
__device__ bool number_segments(const Slots& s, const Block& b, std::uint32_t index) {
  constexpr unsigned kAll = 0xFFFFFFFFU;
  const std::uint32_t lane = threadIdx.x, w = 2 * lane;
  const bool mine = w < b.count;  // the count is even
  const std::uint32_t left = mine ? segments_of(b.windows[w], kAll) : 0,
                      right = mine ? segments_of(b.windows[w + 1], kAll) : 0;
  std::uint32_t sum = joined(left, right);
  for (std::uint32_t step = 1; step < 32; step *= 2) {
    const std::uint32_t before = __shfl_up_sync(kAll, sum, step);
    if (lane >= step) sum = joined(before, sum);
  }
  std::uint32_t before = __shfl_up_sync(kAll, sum, 1);
  if (lane == 0) before = 0;
  const std::uint32_t all = __shfl_sync(kAll, sum, 31);
  before = joined(look_back(s.zeros + 1, index, all), before);
  if (mine) {
    b.windows[w].before = before & kCount;
    b.windows[w + 1].before = joined(before, left) & kCount;
  }
  return all != 0;
}

// Rows and counts of the tables, and where each segment's sum goes. A warp a window, as before.
__device__ void write_rows(const Slots& s, const Block& b, std::uint32_t w) {
  const std::uint32_t lane = threadIdx.x % 32, i = b.first + w * kWindow + lane;
  const Window& window = b.windows[w];
  if (lane >= window.used) return;
  const std::uint32_t up_to = 0xFFFFFFFFU >> (31 - lane), key = s.keys[i];
  std::uint32_t number = segments_of(window, up_to);
  number = (number & kComplete) != 0 ? number & kCount : window.before + number;
  Place& place = b.places[w * kWindow + lane];
  const Part& part = s.parts[place.part];
  const Table& table = s.tables[part.table];
  if ((window.heads >> lane & 1U) != 0) {
    table.rows[number - 1] = static_cast<std::int32_t>(key - part.first_key);
    place.values = table.values + std::int64_t{number - 1} * (table.width / 2);
  }
  if (i + 1 == s.shape.count || s.keys[i + 1] >= part.end_key) *table.count = number;
}

// ---- sums ---------------------------------------------------------------------------------------------------------

// A segment that is not complete yet: its row, or null if it began before.
struct Open {
  float* values;
  std::uint32_t width;
  float4 sum;
};

// Sums the window's segments, four columns of each. What ends in it is written; a part of one that began before goes
// to *carry. The rest is the last segment.
__device__ Open sum_window(const Block& b, std::uint32_t w, std::uint32_t column, float4* carry) {
  const Window& window = b.windows[w];
  const Item* const items = b.items + w * kItemStride;
  Open open{};
  for (std::uint32_t first = 0; first < window.used; first += kInFlight) {
    float4 parts[kInFlight]{};
#pragma unroll
    for (std::uint32_t n = 0; n < kInFlight; ++n)
      if (first + n < window.used)
        parts[n] = load_columns<true>(items[first + n].gradient, items[first + n].width, column);
#pragma unroll
    for (std::uint32_t n = 0; n < kInFlight; ++n) {
      if (first + n >= window.used) continue;
      const Item& item = items[first + n];
      if ((window.heads >> (first + n) & 1U) != 0) {
        if (open.values != nullptr)
          store_columns(open.values, open.width, column, open.sum);
        else
          *carry = open.sum;
        open = {b.places[w * kWindow + first + n].values, item.width, {}};
      }
      add_scaled(open.sum, parts[n], item.weight);
    }
  }
  if (open.values == nullptr) *carry = open.sum;
  return open;
}

// Whether a window begins within a segment.
__device__ bool continues(const Block& b, std::uint32_t w) {
  return b.windows[w].used != 0 && (b.windows[w].heads & 1U) == 0;
}
// Adds, in order, what the windows from w on have of the segment that goes on there. Returns whether it takes all the
// rest of the block.
__device__ bool add_carries(const Block& b, std::uint32_t w, float4& sum) {
  const std::uint32_t lanes = kThreads / b.count, lane = threadIdx.x % lanes;
  for (; w < b.count; ++w) {
    if (!continues(b, w)) return false;
    add_scaled(sum, b.partial[w * lanes + lane], 1.0F);
    if (b.windows[w].heads != 0) return false;
  }
  return true;
}

// Four columns of each lane. A group of lanes a window, then the windows' parts of one segment in order.
__device__ void sum_columns(const Slots& s, const Block& b, std::uint32_t index, std::uint32_t first_part) {
  const std::uint32_t lanes = s.sums.lanes, columns = s.sums.columns;
  const std::uint32_t w = threadIdx.x / lanes, part = first_part + threadIdx.x % lanes;
  Open open = sum_window(b, w, part * 4, &b.partial[threadIdx.x]);
  __syncthreads();
  if (w == 0 && continues(b, 0)) {
    float4 carry{};
    add_carries(b, 0, carry);
    if (part < columns) s.carries[index * columns + part] = carry;
  }
  if (open.values != nullptr) {
    const bool to_the_end = add_carries(b, w + 1, open.sum);
    store_columns(open.values, open.width, part * 4, open.sum);
    if (to_the_end && b.goes_on && part == 0) s.crossings[index] = {open.values, open.width, 0};
  }
  __syncthreads();
}

__global__ void __launch_bounds__(kThreads) sum_segments(const __grid_constant__ Slots s) {
  MAL_SHARED(std::uint32_t, index, [1]);
  MAL_SHARED(Window, windows, [kMostWindows]);
  if (threadIdx.x == 0) index[0] = take_ticket(s.zeros);
  __syncthreads();
  Block b{};
  b.count = kThreads / s.sums.lanes;
  b.first = index[0] * s.sums.block;
  b.windows = &windows[0];
  b.items = dynamic_shared<Item>();
  b.partial = reinterpret_cast<float4*>(b.items + b.count * kItemStride);
  b.places = reinterpret_cast<Place*>(b.partial + kThreads);
  const std::uint32_t end = b.first + s.sums.block;
  b.goes_on = end < s.shape.count && s.keys[end] != s.unused_key && s.keys[end - 1] == s.keys[end];
  for (std::uint32_t w = threadIdx.x / 32; w < b.count; w += kThreads / 32) read_window(s, b, w);
  __syncthreads();
  if (threadIdx.x < 32) {
    const bool begins = number_segments(s, b, index[0]);
    if (threadIdx.x == 0) s.crossings[index[0]] = {nullptr, 0, b.goes_on && !begins ? 1U : 0U};
  }
  __syncthreads();
  for (std::uint32_t w = threadIdx.x / 32; w < b.count; w += kThreads / 32) write_rows(s, b, w);
  __syncthreads();
  for (std::uint32_t part = 0; part < s.sums.columns; part += s.sums.lanes) sum_columns(s, b, index[0], part);
}

// ---- segments of several blocks -----------------------------------------------------------------------------------

// A group of lanes a block in which such a segment begins.
__global__ void __launch_bounds__(kThreads) finish_segments(const __grid_constant__ Slots s) {
  const std::uint32_t lanes = s.sums.lanes, columns = s.sums.columns;
  const std::uint32_t block = (blockIdx.x * kThreads + threadIdx.x) / lanes;
  if (block >= s.sums.blocks) return;
  const Crossing crossing = s.crossings[block];
  if (crossing.values == nullptr) return;
  for (std::uint32_t part = threadIdx.x % lanes; part * 4 < crossing.width / 2; part += lanes) {
    float4 sum = load_columns<false>(crossing.values, crossing.width, part * 4);
    for (std::uint32_t first = block + 1; first < s.sums.blocks; first += kInFlight) {
      float4 carries[kInFlight]{};
      bool passes[kInFlight]{};
#pragma unroll
      for (std::uint32_t n = 0; n < kInFlight; ++n) {
        if (first + n >= s.sums.blocks) continue;
        carries[n] = s.carries[(first + n) * columns + part];  // beyond the segment: whatever is there
        passes[n] = s.crossings[first + n].passes != 0;
      }
      bool more = true;
#pragma unroll
      for (std::uint32_t n = 0; n < kInFlight; ++n) {
        if (more) add_scaled(sum, carries[n], 1.0F);
        more = more && passes[n];
      }
      if (!more) break;
    }
    store_columns(crossing.values, crossing.width, part * 4, sum);
  }
}

}  // namespace

void embedding_backward(const TableGradient* tables, std::int32_t count, std::int64_t rows, void* workspace) {
  const Slots s = sort_slots(tables, count, rows, workspace);
  launch("embedding_backward", sum_segments, s.sums.blocks, kThreads, shared_bytes(kThreads / s.sums.lanes), s);
  launch("embedding_backward's long sums", finish_segments, (s.sums.blocks * s.sums.lanes + kThreads - 1) / kThreads,
         kThreads, 0, s);
}

std::int64_t embedding_backward_workspace(std::int32_t tables, std::int32_t lookups, std::int64_t capacity,
                                          std::int32_t width) {
  return slots_bytes(tables, lookups, capacity, width);
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

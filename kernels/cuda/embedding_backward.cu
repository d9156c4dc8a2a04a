// Gradients of all tables at once. embedding_slots.cu sorts the ids; here a few lanes sum a segment of equal ones.
// Popular rows have long segments: a block sums one in pieces and adds the pieces in order. No atomics, one order of
// additions.
#include "kernels/cuda/embedding_slots.h"
#include "kernels/cuda/support/vector.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

namespace {

constexpr int kThreads = 256;
constexpr int kInFlight = 4;          // slots of each thread
constexpr std::int64_t kPiece = 256;  // slots that one group of lanes sums

struct Occurrence {
  const float* gradient;
  float weight;
};
__device__ Occurrence occurrence_at(const Slots& s, std::uint32_t sorted, std::int32_t width) {
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
__device__ T sum_slots(const Slots& s, std::uint32_t first, std::uint32_t end, std::int32_t width, int column) {
  T sum{};
  for (std::uint32_t i = first; i < end; i += kInFlight) {
    T values[kInFlight]{};
    float weights[kInFlight]{};
#pragma unroll
    for (std::uint32_t n = 0; n < kInFlight; ++n) {
      if (i + n >= end) continue;
      const Occurrence occurrence = occurrence_at(s, i + n, width);
      values[n] = load<T>(occurrence.gradient + column);
      weights[n] = occurrence.weight;
    }
#pragma unroll
    for (std::uint32_t n = 0; n < kInFlight; ++n)
      if (i + n < end) add_scaled(sum, values[n], weights[n]);
  }
  return sum;
}

struct Segment {
  const Table* table;
  std::uint32_t first, end, row;
  std::int64_t at;  // in its table's result
};
__device__ Segment segment_at(const Slots& s, std::uint32_t index) {
  const std::uint32_t first = s.starts[index], key = s.sorted_keys[first];
  const int t = table_of(s, key);
  const Table* table = s.tables + t;
  return {table, first, s.starts[index + 1], key - table->first_key, std::int64_t{index} - s.first_segment[t]};
}

template <typename T>
__device__ void sum_short(const Slots& s, const Segment& segment, int lane, int lanes) {
  constexpr int kPart = sizeof(T) / sizeof(float);
  const std::int32_t width = segment.table->width;
  for (int c = lane * kPart; c < width; c += lanes * kPart)
    store(segment.table->values + segment.at * width + c, sum_slots<T>(s, segment.first, segment.end, width, c));
}

// A group of lanes a segment; blocks for as many segments as there are slots.
__device__ void sum_segments(const Slots& s, int lanes, unsigned block) {
  if (block == 0)
    for (int t = static_cast<int>(threadIdx.x); t < s.table_count; t += kThreads)
      *s.tables[t].count = std::int64_t{s.first_segment[t + 1]} - s.first_segment[t];
  const std::uint32_t index = (block * kThreads + threadIdx.x) / static_cast<unsigned>(lanes);
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
__device__ void sum_long(const Slots& s, const Segment& segment, int lanes, T* partial) {
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
__device__ void sum_long_segments(const Slots& s, int lanes, unsigned block) {
  const std::uint32_t segments = s.first_segment[s.table_count];
  const std::uint32_t slot = block * static_cast<unsigned>(kPiece);
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

// The blocks of long segments first: they take longest.
__global__ void __launch_bounds__(kThreads) sum_gradients(const __grid_constant__ Slots s, int lanes, unsigned pieces) {
  if (blockIdx.x < pieces)
    sum_long_segments(s, lanes, blockIdx.x);
  else
    sum_segments(s, lanes, blockIdx.x - pieces);
}

int lanes_of(const TableGradient* tables, std::int32_t count) {
  int lanes = 1;
  for (std::int32_t t = 0; t < count; ++t)
    while (lanes < 32 && lanes < (allows_vectors(tables[t]) ? tables[t].width / 4 : tables[t].width)) lanes *= 2;
  return lanes;
}

}  // namespace

void embedding_backward(const TableGradient* tables, std::int32_t count, std::int64_t rows, void* workspace) {
  const Slots s = sort_slots(tables, count, rows, workspace);
  if (s.slot_count == 0) return;
  const int lanes = lanes_of(tables, count);
  const std::int64_t slots = s.slot_count, pieces = (slots + kPiece - 1) / kPiece;
  const std::int64_t blocks = pieces + (slots * lanes + kThreads - 1) / kThreads;
  launch("embedding_backward", sum_gradients, static_cast<unsigned>(blocks), kThreads, 0, s, lanes,
         static_cast<unsigned>(pieces));
}

std::int64_t embedding_backward_workspace(std::int32_t tables, std::int32_t lookups, std::int64_t capacity) {
  return slots_bytes(tables, lookups, capacity);
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

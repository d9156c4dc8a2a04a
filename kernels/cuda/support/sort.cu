// A pass: each block finds where its range's pairs of each digit begin in the result, from all ranges' counts, then
// takes tile after tile: ranks the pairs among those of the same digit, orders them in shared memory, and writes runs.
// Ranks follow from votes and prefix sums alone, so the result is the same in every run.
#include "kernels/cuda/support/sort.h"

#include "kernels/cuda/support/launch.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

namespace {

constexpr int kThreads = 1024, kWarps = kThreads / 32;
constexpr int kItems = 8;  // pairs of each thread, at most
constexpr std::uint32_t kTile = kThreads * kItems;
constexpr int kDigits = static_cast<int>(kSortDigits), kParts = kThreads / kDigits;
constexpr unsigned kAll = 0xFFFFFFFFU;

struct Pass {
  const std::uint32_t *keys, *values;  // values null: the positions
  std::uint32_t *sorted_keys, *sorted_values;
  const std::uint32_t* counts;
  std::uint32_t* next_counts;  // null in the last pass
  SortShape shape;
  int shift;
};

struct Shared {
  std::uint32_t* counters;         // [warps, digits] pairs of each warp in this tile, then those of the warps before
  std::uint32_t *keys, *values;    // [tile] in order
  std::uint32_t *places, *starts;  // [digits] of the next pair in the result, and of the first in the tile
};
constexpr std::size_t kSharedBytes = (kWarps * kDigits + 2 * kTile + 2 * kDigits) * sizeof(std::uint32_t);

__device__ std::uint32_t digits_of(const Pass& p) {
  return 1U << p.shape.digit_bits;
}
__device__ std::uint32_t digit_of(const Pass& p, std::uint32_t key) {
  return key >> p.shift & (digits_of(p) - 1);
}
__device__ std::uint32_t next_digit_of(const Pass& p, std::uint32_t key) {
  return key >> (p.shift + p.shape.digit_bits) & (digits_of(p) - 1);
}

// Σ of the threads before this one, for the first kDigits threads; the others have no part in it but the barriers.
__device__ std::uint32_t scan_digits(std::uint32_t value) {
  constexpr int kSumming = kDigits / 32;  // warps
  MAL_SHARED(std::uint32_t, sums, [kSumming]);
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  std::uint32_t inclusive = value;
  for (int step = 1; step < 32 && warp < kSumming; step *= 2) {
    const std::uint32_t left = __shfl_up_sync(kAll, inclusive, static_cast<unsigned>(step));
    if (lane >= step) inclusive += left;
  }
  __syncthreads();  // the last call's sums have been read
  if (lane == 31 && warp < kSumming) sums[warp] = inclusive;
  __syncthreads();
  std::uint32_t before = inclusive - value;
  for (int w = 0; w < warp && warp < kSumming; ++w) before += sums[w];
  return before;
}

// Every block adds up all ranges' counts for itself: 135 KB at most, from the second-level cache, and no launch.
__device__ void find_places(const Pass& p, const Shared& shared) {
  const std::uint32_t digit = threadIdx.x % kDigits, part = threadIdx.x / kDigits;
  std::uint32_t before = 0, all = 0;
#pragma unroll 8
  for (std::uint32_t r = part; r < p.shape.ranges && digit < digits_of(p); r += kParts) {
    const std::uint32_t count = p.counts[r * kDigits + digit];
    all += count;
    if (r < blockIdx.x) before += count;
  }
  std::uint32_t* const partial = shared.keys;  // not in use yet
  partial[threadIdx.x] = before;
  partial[kThreads + threadIdx.x] = all;
  __syncthreads();
  before = all = 0;
  for (std::uint32_t i = digit; i < kThreads; i += kDigits) {
    before += partial[i];
    all += partial[kThreads + i];
  }
  const std::uint32_t first = scan_digits(part == 0 ? all : 0);
  if (part == 0) shared.places[digit] = first + before;
}

// How many pairs of the same digit come before this one, in this warp and this tile.
__device__ std::uint32_t rank_in_warp(const Pass& p, std::uint32_t digit, bool valid, std::uint32_t* counters) {
  const unsigned lane = threadIdx.x % 32;
  unsigned peers = __ballot_sync(kAll, valid);
  for (int b = 0; b < p.shape.digit_bits; ++b) {
    const bool bit = (digit >> b & 1U) != 0;
    const unsigned vote = __ballot_sync(kAll, bit);
    peers &= bit ? vote : ~vote;
  }
  const std::uint32_t before = valid ? counters[digit] : 0;
  __syncwarp();
  if (valid && static_cast<int>(lane) == __ffs(static_cast<int>(peers)) - 1)
    counters[digit] = before + static_cast<std::uint32_t>(__popc(peers));
  __syncwarp();
  return before + static_cast<std::uint32_t>(__popc(peers & ((1U << lane) - 1)));
}

// Counters become those of the warps before; starts of the digits. Returns the tile's pairs of thread's digit.
__device__ std::uint32_t add_up_warps(const Pass& p, const Shared& shared) {
  std::uint32_t sum = 0;
  if (threadIdx.x < digits_of(p))
#pragma unroll 8
    for (int w = 0; w < kWarps; ++w) {
      std::uint32_t& counter = shared.counters[w * kDigits + static_cast<int>(threadIdx.x)];
      const std::uint32_t count = counter;
      counter = sum;
      sum += count;
    }
  const std::uint32_t start = scan_digits(sum);
  if (threadIdx.x < kDigits) shared.starts[threadIdx.x] = start;
  return sum;
}

__device__ void write_tile(const Pass& p, const Shared& shared, std::uint32_t count) {
  for (std::uint32_t i = threadIdx.x; i < count; i += kThreads) {
    const std::uint32_t key = shared.keys[i], digit = digit_of(p, key);
    const std::uint32_t to = shared.places[digit] + (i - shared.starts[digit]);
    p.sorted_keys[to] = key;
    p.sorted_values[to] = shared.values[i];
    if (p.next_counts != nullptr) atomicAdd(&p.next_counts[to / p.shape.range * kDigits + next_digit_of(p, key)], 1U);
  }
}

// `count` pairs from `first`. A warp has `items` · 32 of them side by side, a lane every 32nd.
__device__ void sort_tile(const Pass& p, const Shared& shared, std::uint32_t first, std::uint32_t count) {
  const std::uint32_t lane = threadIdx.x % 32, warp = threadIdx.x / 32, items = (count + kThreads - 1) / kThreads;
  const std::uint32_t at = warp * items * 32 + lane;
  std::uint32_t* const counters = shared.counters + warp * kDigits;
  std::uint32_t keys[kItems]{}, values[kItems]{}, ranks[kItems]{};
#pragma unroll
  for (std::uint32_t j = 0; j < kItems; ++j) {
    if (j >= items || at + j * 32 >= count) continue;
    keys[j] = p.keys[first + at + j * 32];
    values[j] = p.values == nullptr ? first + at + j * 32 : p.values[first + at + j * 32];
  }
  for (std::uint32_t d = lane; d < digits_of(p); d += 32) counters[d] = 0;
  __syncwarp();
#pragma unroll
  for (std::uint32_t j = 0; j < kItems; ++j)
    if (j < items && at - lane + j * 32 < count)
      ranks[j] = rank_in_warp(p, digit_of(p, keys[j]), at + j * 32 < count, counters);
  __syncthreads();
  const std::uint32_t of_digit = add_up_warps(p, shared);
  __syncthreads();
#pragma unroll
  for (std::uint32_t j = 0; j < kItems; ++j) {
    if (j >= items || at + j * 32 >= count) continue;
    const std::uint32_t digit = digit_of(p, keys[j]), to = shared.starts[digit] + counters[digit] + ranks[j];
    shared.keys[to] = keys[j];
    shared.values[to] = values[j];
  }
  __syncthreads();
  write_tile(p, shared, count);
  __syncthreads();
  if (threadIdx.x < kDigits) shared.places[threadIdx.x] += of_digit;
}

__global__ void __launch_bounds__(kThreads) sort_digit(const __grid_constant__ Pass p) {
  auto* const memory = dynamic_shared<std::uint32_t>();
  const Shared shared{memory + 2 * kTile, memory, memory + kTile, memory + 2 * kTile + kWarps * kDigits,
                      memory + 2 * kTile + kWarps * kDigits + kDigits};
  find_places(p, shared);
  const std::uint32_t begin = blockIdx.x * p.shape.range, end = min(p.shape.count, begin + p.shape.range);
  for (std::uint32_t first = begin; first < end; first += kTile) sort_tile(p, shared, first, min(kTile, end - first));
}

}  // namespace

void sort_pairs(const SortShape& shape, const SortBuffers& b) {
  const std::int64_t counts = shape.ranges * kSortDigits;
  for (int pass = 0; pass < shape.passes; ++pass) {
    const int from = pass % 2, to = 1 - from;
    const Pass p{b.keys[from],
                 pass == 0 ? nullptr : b.values[from],
                 b.keys[to],
                 b.values[to],
                 pass == 0 ? b.counts : b.later_counts + (pass - 1) * counts,
                 pass + 1 == shape.passes ? nullptr : b.later_counts + pass * counts,
                 shape,
                 pass * shape.digit_bits};
    launch("sort_pairs", sort_digit, shape.ranges, kThreads, kSharedBytes, p);
  }
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

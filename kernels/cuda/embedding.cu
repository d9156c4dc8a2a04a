// The fused lookup. Memory-bound: a few neighbouring lanes copy a row, 16 bytes each where the table allows it, and
// each of them has several rows in flight. All features of a batch are one launch.
#include "kernels/cuda/support/chunk.h"
#include "kernels/cuda/support/pooling.h"
#include "kernels/cuda/support/vector.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

namespace {

constexpr int kThreads = 256;
constexpr int kInFlight = 4;  // rows of each group of lanes

// A unit is a row of the batch, or one position of it where every position is kept.
struct Feature {
  Lookup lookup;
  std::int32_t units;
  std::int16_t lanes;  // of a unit, a power of two up to 32
  bool vector;
};

std::int64_t units_of_block(const Feature& f) {
  return std::int64_t{kThreads / f.lanes} * kInFlight;
}

template <typename T>
__device__ void scale_by(T& value, float factor) {
#pragma unroll
  for (int i = 0; i < static_cast<int>(sizeof(T) / sizeof(float)); ++i) reinterpret_cast<float*>(&value)[i] *= factor;
}

// kInFlight positions at once: ids, then rows, then stores. Beyond a row's length: zeros.
template <typename T>
__device__ void copy_positions(const Feature& f, unsigned first, unsigned stride, int column) {
  const Lookup& l = f.lookup;
  T values[kInFlight]{};
#pragma unroll
  for (unsigned n = 0; n < kInFlight; ++n) {
    const unsigned unit = first + n * stride;
    if (unit >= static_cast<unsigned>(f.units)) continue;
    const unsigned row = unit / static_cast<unsigned>(l.length), position = unit % static_cast<unsigned>(l.length);
    if (l.lengths != nullptr && static_cast<int>(position) >= l.lengths[row]) continue;
    values[n] = load<T>(l.table + l.ids[unit] * l.row_stride + column);
  }
#pragma unroll
  for (unsigned n = 0; n < kInFlight; ++n) {
    const unsigned unit = first + n * stride;
    if (unit >= static_cast<unsigned>(f.units)) continue;
    const unsigned row = unit / static_cast<unsigned>(l.length), position = unit % static_cast<unsigned>(l.length);
    store(l.out + row * l.out_stride + std::int64_t{position} * l.width + column, values[n]);
  }
}

// The sum over a row's positions in their order, kInFlight loads at once.
template <typename T>
__device__ void pool_row(const Feature& f, unsigned row, int column) {
  const Lookup& l = f.lookup;
  const int count = valid_positions(l.lengths, l.length, row);
  const std::int32_t* ids = l.ids + std::int64_t{row} * l.length;
  T sum{};
  for (int j = 0; j < count; j += kInFlight) {
    T values[kInFlight]{};
#pragma unroll
    for (int n = 0; n < kInFlight; ++n)
      if (j + n < count) values[n] = load<T>(l.table + ids[j + n] * l.row_stride + column);
#pragma unroll
    for (int n = 0; n < kInFlight; ++n)
      if (j + n < count) add_scaled(sum, values[n], 1.0F);
  }
  if (count > 0 && l.pooling != Pooling::sum) scale_by(sum, pooling_weight(l.pooling, count));
  store(l.out + row * l.out_stride + column, sum);
}

template <typename T>
__device__ void look_up(const Feature& f, unsigned first, unsigned stride, int lane) {
  constexpr int kPart = sizeof(T) / sizeof(float);
  for (int c = lane * kPart; c < f.lookup.width; c += f.lanes * kPart) {
    if (f.lookup.pooling == Pooling::none) {
      copy_positions<T>(f, first, stride, c);
      continue;
    }
    for (unsigned n = 0; n < kInFlight; ++n)
      if (first + n * stride < static_cast<unsigned>(f.units)) pool_row<T>(f, first + n * stride, c);
  }
}

__global__ void __launch_bounds__(kThreads) look_up_all(const __grid_constant__ Chunk<Feature> chunk) {
  const int item = item_of(chunk, blockIdx.x);
  const Feature& f = chunk.items[item];
  const unsigned together = kThreads / static_cast<unsigned>(f.lanes),
                 first = (blockIdx.x - static_cast<unsigned>(chunk.first[item])) * together * kInFlight +
                         threadIdx.x / static_cast<unsigned>(f.lanes);
  const int lane = static_cast<int>(threadIdx.x) % f.lanes;
  if (f.vector)
    look_up<float4>(f, first, together, lane);
  else
    look_up<float>(f, first, together, lane);
}

Feature feature_of(const Lookup& l, std::int64_t rows) {
  const bool vector = l.width % 4 == 0 && vectors(l.table, l.row_stride) && vectors(l.out, l.out_stride);
  const std::int32_t parts = vector ? l.width / 4 : l.width;
  std::int16_t lanes = 1;
  while (lanes < parts && lanes < 32) lanes = static_cast<std::int16_t>(lanes * 2);
  return {l, static_cast<std::int32_t>(l.pooling == Pooling::none ? rows * l.length : rows), lanes, vector};
}

}  // namespace

void embedding_forward(const Lookup* lookups, std::int32_t count, std::int64_t rows) {
  for_each_chunk<Feature>(
      count, [&](int i) { return feature_of(lookups[i], rows); },
      [&](int i) {
        const Feature f = feature_of(lookups[i], rows);
        return (f.units + units_of_block(f) - 1) / units_of_block(f);
      },
      [](const Chunk<Feature>& chunk) {
        launch("embedding_forward", look_up_all, chunk.blocks(), kThreads, 0, chunk);
      });
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

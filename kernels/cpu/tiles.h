// Small products whose sums stay in registers: tiles of rows and columns, on matrices whose rows are padded to a
// multiple of kGranule. They are too small to be packed into panels (product.h).
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "kernels/cpu/lanes.h"

namespace mal::kernels {

// A matrix [rows, depth] that is read by scalars.
struct Rows {
  const float* data;
  std::int64_t stride;
};

// The most rows of a tile of V vectors of columns: at least eight independent sums where the registers allow it (two
// units of four cycles), and fewer loads than multiply-adds.
constexpr int most_rows(int vectors) {
#if defined(__AVX512F__)
  return vectors == 1 ? 12 : vectors == 2 ? 10 : vectors == 3 ? 7 : 6;
#elif defined(__AVX__)
  return vectors <= 2 ? 6 : 3;
#else
  return vectors <= 2 ? 6 : 2;
#endif
}
// The most granules of columns of a tile.
#if defined(__AVX512F__)
inline constexpr std::int64_t kTileGranules = 4;
#else
inline constexpr std::int64_t kTileGranules = 1;
#endif

// sums[R][V] = initial + a[R, depth] b[depth, V vectors], in order of depth. kWidth is both depth and a's stride where
// it is known, else 0.
template <int R, int V, std::int64_t kWidth>
[[gnu::always_inline]] inline void multiply_tile(const Rows& rows, const float* b, std::int64_t ldb, std::int64_t width,
                                                 const float* initial, Vector (&sums)[R][V]) {
  const std::int64_t depth = kWidth == 0 ? width : kWidth, stride = kWidth == 0 ? rows.stride : kWidth;
  const float* const a = rows.data;
#pragma GCC unroll 16
  for (int v = 0; v < V; ++v) {
    const Vector start = load(initial + v * kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) sums[r][v] = start;
  }
  for (std::int64_t k = 0; k < depth; ++k) {
    Vector columns[V];
#pragma GCC unroll 16
    for (int v = 0; v < V; ++v) columns[v] = load(b + k * ldb + v * kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const float scalar = a[r * stride + k];
#pragma GCC unroll 16
      for (int v = 0; v < V; ++v) sums[r][v] += scalar * columns[v];
    }
  }
}

// tile.operator()<R>(first row) for tiles of about the same number of rows, which is at most that for V vectors.
template <int V, typename Tile>
[[gnu::always_inline]] inline void for_each_tile(std::int64_t rows, const Tile& tile) {
  constexpr int kMost = most_rows(V);
  const auto call = [&]<int... I>(std::int64_t count, std::int64_t first, std::integer_sequence<int, I...>) {
    static_cast<void>(((count == I + 1 && (tile.template operator()<I + 1>(first), true)) || ...));
  };
  std::int64_t first = 0;
  for (std::int64_t left = (rows + kMost - 1) / kMost; left > 0; --left) {
    const std::int64_t count = (rows - first) / left;
    call(count, first, std::make_integer_sequence<int, kMost>());
    first += count;
  }
}

// body.operator()<V>(first column) for chunks of at most kTileGranules granules of columns.
template <typename Body>
[[gnu::always_inline]] inline void for_each_chunk(std::int64_t columns, const Body& body) {
  constexpr int kGranuleVectors = static_cast<int>(kParts);
  std::int64_t column = 0, granules = columns / kGranule;
  for (std::int64_t left = (granules + kTileGranules - 1) / kTileGranules; left > 0; --left) {
    const std::int64_t count = granules / left;
    if (count == 1) body.template operator()<kGranuleVectors>(column);
    if constexpr (kTileGranules == 4) {
      if (count == 2) body.template operator()<2 * kGranuleVectors>(column);
      if (count == 3) body.template operator()<3 * kGranuleVectors>(column);
      if (count == 4) body.template operator()<4 * kGranuleVectors>(column);
    }
    granules -= count;
    column += count * kGranule;
  }
}

// A matrix that is read by scalars: element (row, k) at data + row · row_step + k · k_step.
struct Scalars {
  const float* data;
  std::int64_t row_step, k_step;
};

// What sums begin with: row r at data + r · stride; stride 0 is one row for all. data may be null: zeros.
struct Start {
  const float* data = nullptr;
  std::int64_t stride = 0;
};

template <int R, int V>
[[gnu::always_inline]] inline void product_tile(const Scalars& a, const float* b, std::int64_t ldb, std::int64_t depth,
                                                const Start& start, float* y, std::int64_t ldy) {
  Vector sums[R][V];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
    for (int v = 0; v < V; ++v)
      sums[r][v] = start.data == nullptr ? Vector{} : load(start.data + r * start.stride + v * kLanes);
  // A pointer for every four rows: three distances from it are addresses of the instruction itself.
  constexpr int kFours = (R + 3) / 4;
  const float* scalars[kFours];
  for (int f = 0; f < kFours; ++f) scalars[f] = a.data + 4 * f * a.row_step;
  for (std::int64_t k = 0; k < depth; ++k, b += ldb) {
    Vector columns[V];
#pragma GCC unroll 16
    for (int v = 0; v < V; ++v) columns[v] = load(b + v * kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const float scalar = scalars[r / 4][r % 4 * a.row_step];
#pragma GCC unroll 16
      for (int v = 0; v < V; ++v) sums[r][v] += scalar * columns[v];
    }
#pragma GCC unroll 4
    for (int f = 0; f < kFours; ++f) scalars[f] += a.k_step;
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
    for (int v = 0; v < V; ++v) store(y + r * ldy + v * kLanes, sums[r][v]);
}

// y[rows, columns] = start + a[rows, depth] b[depth, columns], in order of depth; columns is a multiple of kGranule.
inline void product(const Scalars& a, std::int64_t rows, const float* b, std::int64_t ldb, std::int64_t depth,
                    const Start& start, float* y, std::int64_t ldy, std::int64_t columns) {
  for_each_chunk(columns, [&]<int V>(std::int64_t column) {
    for_each_tile<V>(rows, [&]<int R>(std::int64_t first) {
      const float* const from = start.data == nullptr ? nullptr : start.data + first * start.stride + column;
      product_tile<R, V>({a.data + first * a.row_step, a.row_step, a.k_step}, b + column, ldb, depth,
                         {from, start.stride}, y + first * ldy + column, ldy);
    });
  });
}

// count numbers, then zeros up to whole.
inline void copy_padded(const float* from, std::int64_t count, std::int64_t whole, float* to) {
  for (std::int64_t i = 0; i < whole; i += kLanes)
    store(to + i, load_first(from + i, std::clamp<std::int64_t>(count - i, 0, kLanes)));
}
// count numbers and no more; `from` is padded.
inline void copy_exactly(const float* from, std::int64_t count, float* to) {
  for (std::int64_t i = 0; i < count; i += kLanes) store_first(to + i, load(from + i), std::min(kLanes, count - i));
}

// `count` rows of `width` numbers as whole vectors: as they lie where width is a multiple of kGranule, else copied to
// `room`, [count, wide], with zeros behind.
inline Rows whole_vectors(std::int64_t width, std::int64_t wide, const float* rows, std::int64_t count, float* room) {
  if (width == wide) return {rows, width};
  for (std::int64_t j = 0; j < count; ++j) copy_padded(rows + j * width, width, wide, room + j * wide);
  return {room, wide};
}

}  // namespace mal::kernels

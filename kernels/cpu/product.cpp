#include "kernels/cpu/product.h"

#include <algorithm>
#include <array>
#include <utility>

#include "kernels/cpu/row_tile.h"

namespace mal::kernels {

namespace {

// Rows of dy that are copied at a time where its columns do not fill a panel.
constexpr std::int64_t kCopiedRows = 128;

using Tiles = RowTiles<Fp32Arithmetic>;

// c[Inputs, columns] (+)= x[rows, Inputs]ᵀ dy[rows, columns].
template <std::int64_t Inputs, std::int64_t Vectors>
void outer_tile(const float* x, std::int64_t ldx, const float* dy, std::int64_t lddy, std::int64_t rows,
                std::int64_t columns, float* c, std::int64_t ldc, bool accumulate) {
  Vector sums[Inputs][Vectors] = {};
  if (accumulate)
    for (std::int64_t i = 0; i < Inputs; ++i) {
      float row[Vectors * kLanes] = {};
      std::copy_n(c + i * ldc, columns, row);
      for (std::int64_t v = 0; v < Vectors; ++v) sums[i][v] = load(row + v * kLanes);
    }
  for (std::int64_t r = 0; r < rows; ++r) {
    Vector w[Vectors];
    for (std::int64_t v = 0; v < Vectors; ++v) w[v] = load(dy + v * kLanes);
#pragma GCC unroll 12
    for (std::int64_t i = 0; i < Inputs; ++i) {
      const Vector scalar = broadcast(x[i]);
      for (std::int64_t v = 0; v < Vectors; ++v) sums[i][v] += scalar * w[v];
    }
    x += ldx;
    dy += lddy;
  }
  Tiles::finish(sums, columns, c, ldc, {});
}

using OuterTile = void (*)(const float*, std::int64_t, const float*, std::int64_t, std::int64_t, std::int64_t, float*,
                           std::int64_t, bool);

template <std::int64_t Vectors, std::size_t... I>
constexpr std::array<OuterTile, sizeof...(I)> outer_tiles(std::index_sequence<I...>) {
  return {outer_tile<static_cast<std::int64_t>(I) + 1, Vectors>...};
}
using Sizes = std::make_index_sequence<static_cast<std::size_t>(kTileRows)>;
// By inputs − 1 and vectors − 1.
constexpr std::array kOuterTiles = {outer_tiles<1>(Sizes{}), outer_tiles<2>(Sizes{})};

// One panel's columns of c, `from` being dy's.
void multiply_columns(const float* x, std::int64_t ldx, std::int64_t inputs, const float* from, std::int64_t ldfrom,
                      std::int64_t columns, std::int64_t rows, float* c, std::int64_t ldc, bool accumulate) {
  for (std::int64_t k = 0; k < inputs; k += kTileRows) {
    const std::int64_t count = std::min(kTileRows, inputs - k);
    const OuterTile tile = kOuterTiles[columns <= kLanes ? 0 : 1][static_cast<std::size_t>(count - 1)];
    tile(x + k, ldx, from, ldfrom, rows, columns, c + k * ldc, ldc, accumulate);
  }
}

}  // namespace

void pack(const float* w, std::int64_t inputs, std::int64_t outputs, float* panels) {
  for (std::int64_t n = 0; n < outputs; n += kPanel) {
    const std::int64_t columns = std::min(kPanel, outputs - n);
    for (std::int64_t k = 0; k < inputs; ++k, panels += kPanel) {
      std::copy_n(w + k * outputs + n, columns, panels);
      std::fill_n(panels + columns, kPanel - columns, 0.0F);
    }
  }
}

void pack_transposed(const float* w, std::int64_t inputs, std::int64_t outputs, float* panels) {
  for (std::int64_t k = 0; k < inputs; k += kPanel) {
    const std::int64_t columns = std::min(kPanel, inputs - k);
    for (std::int64_t n = 0; n < outputs; ++n, panels += kPanel) {
      for (std::int64_t c = 0; c < columns; ++c) panels[c] = w[(k + c) * outputs + n];
      std::fill_n(panels + columns, kPanel - columns, 0.0F);
    }
  }
}

void multiply_panels(const float* a, std::int64_t lda, std::int64_t rows, const float* panels, std::int64_t depth,
                     std::int64_t columns, float* y, std::int64_t ldy, const Finish& finish) {
  Tiles::multiply(a, lda, rows, panels, depth, columns, y, ldy, finish);
}

void multiply_transposed(const float* x, std::int64_t ldx, std::int64_t inputs, const float* dy, std::int64_t lddy,
                         std::int64_t outputs, std::int64_t rows, float* c, std::int64_t ldc) {
  for (std::int64_t n = 0; n < outputs; n += kPanel) {
    const std::int64_t columns = std::min(kPanel, outputs - n);
    if (columns == kPanel || columns == kLanes) {
      multiply_columns(x, ldx, inputs, dy + n, lddy, columns, rows, c + n, ldc, false);
      continue;
    }
    float copy[kCopiedRows * kPanel];
    for (std::int64_t r = 0; r == 0 || r < rows; r += kCopiedRows) {
      const std::int64_t copied = std::min(kCopiedRows, rows - r);
      for (std::int64_t i = 0; i < copied; ++i) {
        std::copy_n(dy + (r + i) * lddy + n, columns, copy + i * kPanel);
        std::fill_n(copy + i * kPanel + columns, kPanel - columns, 0.0F);
      }
      multiply_columns(x + r * ldx, ldx, inputs, copy, kPanel, columns, copied, c + n, ldc, r > 0);
    }
  }
}

}  // namespace mal::kernels

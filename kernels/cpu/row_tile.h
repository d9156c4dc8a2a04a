// The innermost loop of y = a · panels (product.h): tiles of kTileRows rows and a panel of columns, whose sums stay in
// registers. What a slot of a row and one of a panel add to a sum is for Arithmetic to say: a product in fp32, or the
// products of two bf16 that lie in one slot (bf16/products.h).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "kernels/cpu/product.h"

namespace mal::kernels {

struct Fp32Arithmetic {
  static Vector slot(const float* x) { return broadcast(*x); }
  static Vector add(Vector sum, Vector x, Vector w) { return sum + x * w; }
};

template <typename Arithmetic>
class RowTiles {
 public:
  // y[rows, columns] = finish(a[rows, slots] · panels).
  static void multiply(const float* a, std::int64_t lda, std::int64_t rows, const float* panels, std::int64_t slots,
                       std::int64_t columns, float* y, std::int64_t ldy, const Finish& finish) {
    for (std::int64_t n = 0; n < columns; n += kPanel, panels += kPanel * slots) {
      const std::int64_t width = std::min(kPanel, columns - n);
      Finish of_panel = finish;
      if (finish.bias != nullptr) of_panel.bias += n;
      for (std::int64_t r = 0; r < rows; r += kTileRows) {
        const auto count = static_cast<std::size_t>(std::min(kTileRows, rows - r));
        kTiles[width <= kLanes ? 0 : 1][count - 1](a + r * lda, lda, panels, slots, width, y + r * ldy + n, ldy,
                                                   of_panel);
      }
    }
  }

  // Sums to y, kVectors of kLanes columns each, of which the last ones may be missing.
  template <std::int64_t kRows, std::int64_t kVectors>
  static void finish(const Vector (&sums)[kRows][kVectors], std::int64_t columns, float* y, std::int64_t ldy,
                     const Finish& finish) {
    if (columns == kVectors * kLanes) {
      for (std::int64_t r = 0; r < kRows; ++r)
        for (std::int64_t v = 0; v < kVectors; ++v) {
          float* to = y + r * ldy + v * kLanes;
          Vector x = sums[r][v];
          if (finish.accumulate) x += load(to);
          if (finish.bias != nullptr) x += load(finish.bias + v * kLanes);
          if (finish.relu) x = x < Vector{} ? Vector{} : x;
          store(to, x);
        }
      return;
    }
    for (std::int64_t r = 0; r < kRows; ++r) {
      float row[kVectors * kLanes];
      for (std::int64_t v = 0; v < kVectors; ++v) store(row + v * kLanes, sums[r][v]);
      for (std::int64_t n = 0; n < columns; ++n) {
        float x = row[n];
        if (finish.accumulate) x += y[r * ldy + n];
        if (finish.bias != nullptr) x += finish.bias[n];
        if (finish.relu) x = x < 0 ? 0.0F : x;
        y[r * ldy + n] = x;
      }
    }
  }

 private:
  // Three rows share a pointer: base, base + lda, base + 2 lda are addresses that an instruction can form, and twelve
  // pointers would not fit the registers.
  template <std::int64_t kRows, std::int64_t kVectors>
  static void tile(const float* a, std::int64_t lda, const float* panel, std::int64_t slots, std::int64_t columns,
                   float* y, std::int64_t ldy, const Finish& finish) {
    constexpr std::int64_t kGroups = (kRows + 2) / 3;
    Vector sums[kRows][kVectors] = {};
    const float* rows[kGroups];
    for (std::int64_t g = 0; g < kGroups; ++g) rows[g] = a + 3 * g * lda;
    for (std::int64_t k = 0; k < slots; ++k) {
      Vector w[kVectors];
      for (std::int64_t v = 0; v < kVectors; ++v) w[v] = load(panel + v * kLanes);
      panel += kPanel;
#pragma GCC unroll 12
      for (std::int64_t r = 0; r < kRows; ++r) {
        const Vector x = Arithmetic::slot(rows[r / 3] + r % 3 * lda);
        for (std::int64_t v = 0; v < kVectors; ++v) sums[r][v] = Arithmetic::add(sums[r][v], x, w[v]);
      }
      for (std::int64_t g = 0; g < kGroups; ++g) ++rows[g];
    }
    RowTiles::finish(sums, columns, y, ldy, finish);
  }

  using Tile = void (*)(const float*, std::int64_t, const float*, std::int64_t, std::int64_t, float*, std::int64_t,
                        const Finish&);
  template <std::int64_t kVectors, std::size_t... I>
  static constexpr std::array<Tile, sizeof...(I)> tiles(std::index_sequence<I...>) {
    return {tile<static_cast<std::int64_t>(I) + 1, kVectors>...};
  }
  using Sizes = std::make_index_sequence<static_cast<std::size_t>(kTileRows)>;
  // By vectors − 1 and rows − 1.
  static constexpr std::array<std::array<Tile, Sizes::size()>, 2> kTiles = {tiles<1>(Sizes{}), tiles<2>(Sizes{})};
};

}  // namespace mal::kernels

// Products by tiles, AMX: registers of 16 rows by 16 slots. Four hold sums, of two tiles of rows with two of a panel.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/bf16/products.h"

namespace mal::kernels::bf16 {

inline constexpr std::int64_t kTile = 16;  // rows of a register, and its slots

// Registers: pair and pairs of products.h, and
//   begin(), end()       before and after any others, by each thread
//   sum<kBelow, kRight>(a, lda, panel, slots)
//                        sums[32, 32] = a[32, slots] · panel[slots, 32]; without kBelow its first 16 rows alone are
//                        computed, without kRight its first 16 columns
//   store<kBelow, kRight>(sums)
template <typename Registers>
struct Tiles : Registers {
  static constexpr std::int64_t kPanel = 2 * kTile, kTileRows = 2 * kTile, kSlots = kTile;

  static void multiply(const float* a, std::int64_t lda, std::int64_t rows, const float* panels, std::int64_t slots,
                       std::int64_t columns, float* y, std::int64_t ldy, const Finish& finish) {
    Registers::begin();
    for (std::int64_t n = 0; n < columns; n += kPanel, panels += kPanel * slots)
      for (std::int64_t r = 0; r < rows; r += kTileRows) {
        const std::int64_t height = std::min(kTileRows, rows - r), width = std::min(kPanel, columns - n);
        alignas(64) float sums[kTileRows * kPanel];
        const bool below = height > kTile, right = width > kTile;
        const auto sum = below ? (right ? sum_to<true, true> : sum_to<true, false>)
                               : (right ? sum_to<false, true> : sum_to<false, false>);
        sum(a + r * lda, lda, panels, slots, sums);
        for (std::int64_t i = 0; i < height; ++i)
          finish_row(sums + i * kPanel, width, y + (r + i) * ldy + n, finish,
                     finish.bias == nullptr ? nullptr : finish.bias + n);
      }
    Registers::end();
  }

 private:
  template <bool kBelow, bool kRight>
  static void sum_to(const float* a, std::int64_t lda, const float* panel, std::int64_t slots, float* sums) {
    Registers::template sum<kBelow, kRight>(a, lda, panel, slots);
    Registers::template store<kBelow, kRight>(sums);
  }

  static void finish_row(const float* sums, std::int64_t columns, float* y, const Finish& finish, const float* bias) {
    for (std::int64_t c = 0; c < columns; c += kLanes) {
      const std::int64_t n = std::min(kLanes, columns - c);
      Vector x = load(sums + c);
      if (finish.accumulate) x += load_first(y + c, n);
      if (bias != nullptr) x += load_first(bias + c, n);
      if (finish.relu) x = x < Vector{} ? Vector{} : x;
      store_first(y + c, x, n);
    }
  }
};

}  // namespace mal::kernels::bf16

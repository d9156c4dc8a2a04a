// The products of product.h with operands in bf16 and sums in fp32. Both operands are rounded on their way in: weights
// when they are packed, the others into this thread's room just before they are multiplied.
//
// Two numbers that are neighbours in depth share a slot, as the instructions want it: the first in its lower half. So a
// row of depth K is a row of ⌈K / 2⌉ slots and a panel is [slots, kPanel]; a slot has the size of a float, and lies
// where one would. Where K is odd, and beyond it up to whole kSlots, there are zeros.
//
// Engine, which multiplies:
//   kPanel, kTileRows      columns of a panel; rows of the innermost tile
//   kSlots                 rows have a multiple of it
//   pair(low, high)        slot i: the bf16 nearest to low[i] and to high[i]
//   pairs(first, second)   the slots of 2 kLanes numbers in a row
//   multiply(a, lda, rows, panels, slots, columns, y, ldy, finish)
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "kernels/cpu/lanes.h"
#include "kernels/cpu/product.h"
#include "kernels/cpu/scratch.h"

namespace mal::kernels::bf16 {

// Lanes 2 kDistance apart are exchanged between two rows: one step of the transposition of kLanes × kLanes slots.
template <std::int64_t kDistance, std::int64_t... C>
[[gnu::always_inline]] inline void exchange(IntVector& a, IntVector& b, std::integer_sequence<std::int64_t, C...>) {
  const IntVector upper = __builtin_shufflevector(a, b, ((C & kDistance) == 0 ? C : C - kDistance + kLanes)...);
  b = __builtin_shufflevector(a, b, ((C & kDistance) == 0 ? C + kDistance : C + kLanes)...);
  a = upper;
}
template <std::int64_t kDistance = kLanes / 2>
[[gnu::always_inline]] inline void transpose(IntVector (&rows)[kLanes]) {
  if constexpr (kDistance > 0) {
#pragma GCC unroll 16
    for (std::int64_t r = 0; r < kLanes; ++r)
      if ((r & kDistance) == 0)
        exchange<kDistance>(rows[r], rows[r + kDistance], std::make_integer_sequence<std::int64_t, kLanes>());
    transpose<kDistance / 2>(rows);
  }
}

inline void store_slots(float* to, IntVector v) {
  *reinterpret_cast<IntVector*>(to) = v;
}
inline void store_first_slots(float* to, IntVector v, std::int64_t n) {
  store_first(to, reinterpret_cast<Vector>(v), n);
}
inline Vector load_at_most(const float* from, std::int64_t n) {
  return load_first(from, std::clamp<std::int64_t>(n, 0, kLanes));
}

template <typename Engine>
class Products {
 public:
  static constexpr std::int64_t kTileRows = Engine::kTileRows;
  // Every stripe rounds dy anew, so they are wide.
  static constexpr std::int64_t kInputStripe = 256;

  static std::int64_t packed_size(std::int64_t depth, std::int64_t columns) {
    return (columns + kPanel - 1) / kPanel * kPanel * slots_of(depth);
  }

  static void pack(const float* w, std::int64_t inputs, std::int64_t outputs, float* panels) {
    pack_rows(w, outputs, inputs, outputs, panels);
  }

  // Panel by panel, a row of wᵀ's column at a time.
  static void pack_transposed(const float* w, std::int64_t inputs, std::int64_t outputs, float* panels) {
    struct Row {};
    const std::int64_t slots = slots_of(outputs);
    float* const row = thread_floats<Row>(slots);
    for (std::int64_t k = 0; k < inputs; k += kPanel, panels += slots * kPanel)
      for (std::int64_t c = 0; c < kPanel; ++c) {
        if (k + c < inputs)
          round_row(w + (k + c) * outputs, outputs, slots, row);
        else
          std::fill_n(row, slots, 0.0F);
        for (std::int64_t s = 0; s < slots; ++s) copy_slot(row + s, panels + s * kPanel + c);
      }
  }

  static void multiply_panels(const float* a, std::int64_t lda, std::int64_t rows, const float* panels,
                              std::int64_t depth, std::int64_t columns, float* y, std::int64_t ldy,
                              const Finish& finish) {
    const std::int64_t slots = slots_of(depth);
    float* const rounded = room(whole_tiles(rows) * slots);
    for (std::int64_t r = 0; r < rows; ++r) round_row(a + r * lda, depth, slots, rounded + r * slots);
    std::fill_n(rounded + rows * slots, (whole_tiles(rows) - rows) * slots, 0.0F);
    Engine::multiply(rounded, slots, rows, panels, slots, columns, y, ldy, finish);
  }

  // Of kRows rows at a time: xᵀ and dy, which become the rows and the panels of a product whose depth they are.
  static void multiply_transposed(const float* x, std::int64_t ldx, std::int64_t inputs, const float* dy,
                                  std::int64_t lddy, std::int64_t outputs, std::int64_t rows, float* c,
                                  std::int64_t ldc) {
    for (std::int64_t r = 0; r < rows; r += kRows) {
      const std::int64_t count = std::min(kRows, rows - r), slots = slots_of(count);
      const std::int64_t of_x = Scratch::rounded(whole_tiles(inputs) * slots);
      float* const columns = room(of_x + packed_size(count, outputs));
      float* const panels = columns + of_x;
      transpose_rows(x + r * ldx, ldx, count, inputs, slots, columns);
      std::fill_n(columns + inputs * slots, (whole_tiles(inputs) - inputs) * slots, 0.0F);
      pack_rows(dy + r * lddy, lddy, count, outputs, panels);
      Engine::multiply(columns, slots, inputs, panels, slots, outputs, c, ldc, {.accumulate = r > 0});
    }
  }

 private:
  static constexpr std::int64_t kPanel = Engine::kPanel;
  static constexpr std::int64_t kRows = 512;

  static std::int64_t slots_of(std::int64_t depth) {
    const std::int64_t whole = 2 * Engine::kSlots;
    return (depth + whole - 1) / whole * Engine::kSlots;
  }
  static std::int64_t whole_tiles(std::int64_t rows) { return (rows + kTileRows - 1) / kTileRows * kTileRows; }

  static float* room(std::int64_t floats) {
    static thread_local Scratch scratch;
    scratch.reset(Scratch::rounded(floats));
    return scratch.take(floats);
  }

  // Slots are not always numbers, so that they are not copied as such.
  static void copy_slot(const float* from, float* to) { __builtin_memcpy(to, from, sizeof(float)); }

  static void round_row(const float* x, std::int64_t depth, std::int64_t slots, float* to) {
    std::int64_t s = 0;
    for (; 2 * (s + kLanes) <= depth; s += kLanes)
      store_slots(to + s, Engine::pairs(load(x + 2 * s), load(x + 2 * s + kLanes)));
    for (; s < slots; s += kLanes)
      store_first_slots(to + s,
                        Engine::pairs(load_at_most(x + 2 * s, depth - 2 * s),
                                      load_at_most(x + 2 * s + kLanes, depth - 2 * s - kLanes)),
                        std::min(kLanes, slots - s));
  }

  // The panels of m[depth, columns], zeros up to whole panels.
  static void pack_rows(const float* m, std::int64_t ldm, std::int64_t depth, std::int64_t columns, float* panels) {
    const std::int64_t slots = slots_of(depth);
    for (std::int64_t n = 0; n < columns; n += kPanel)
      for (std::int64_t s = 0; s < slots; ++s)
        for (std::int64_t v = 0; v < kPanel; v += kLanes, panels += kLanes) {
          const std::int64_t left = columns - n - v;
          const float* const row = m + 2 * s * ldm + n + v;
          store_slots(panels, Engine::pair(load_at_most(row, 2 * s < depth ? left : 0),
                                           load_at_most(row + ldm, 2 * s + 1 < depth ? left : 0)));
        }
  }

  // to[columns, slots] = the slots of xᵀ of x[rows, columns], squares of kLanes columns and 2 kLanes rows.
  static void transpose_rows(const float* x, std::int64_t ldx, std::int64_t rows, std::int64_t columns,
                             std::int64_t slots, float* to) {
    for (std::int64_t k = 0; k < columns; k += kLanes) {
      const std::int64_t width = std::min(kLanes, columns - k);
      for (std::int64_t s = 0; s < slots; s += kLanes) {
        IntVector square[kLanes];
#pragma GCC unroll 16
        for (std::int64_t i = 0; i < kLanes; ++i) {
          const std::int64_t r = 2 * (s + i);
          const float* const row = x + r * ldx + k;
          square[i] =
              Engine::pair(load_at_most(row, r < rows ? width : 0), load_at_most(row + ldx, r + 1 < rows ? width : 0));
        }
        transpose(square);
        const std::int64_t height = std::min(kLanes, slots - s);
        for (std::int64_t i = 0; i < width; ++i) store_first_slots(to + (k + i) * slots + s, square[i], height);
      }
    }
  }
};

}  // namespace mal::kernels::bf16

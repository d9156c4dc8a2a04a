// Products of matrices that a layer's forward and backward pass are made of. A weight is packed once into panels of
// kPanel columns, [K, kPanel] each with zeros beyond the last column, so that the innermost loop reads it in order. The
// other operand stays where it is.
//
// The innermost loop holds kTileRows × kPanel sums in registers and adds one k at a time: every sum runs over k in
// order with one rounding a step, so its bits depend neither on the vectors' width nor on where a matrix is cut.
#pragma once

#include <cstdint>

#include "kernels/cpu/vector.h"

namespace mal::kernels {

inline constexpr std::int64_t kPanel = 2 * kLanes;
// Sums in two vectors a row; with those of the panel and a broadcast one they fill 32 or 16 registers.
inline constexpr std::int64_t kTileRows = kLanes == 16 ? 12 : 6;

constexpr std::int64_t panels_of(std::int64_t columns) {
  return (columns + kPanel - 1) / kPanel;
}
constexpr std::int64_t packed_size(std::int64_t depth, std::int64_t columns) {
  return panels_of(columns) * kPanel * depth;
}

// w[K, N] as panels of depth K; transposed: panels of wᵀ[N, K], of depth N.
void pack(const float* w, std::int64_t inputs, std::int64_t outputs, float* panels);
void pack_transposed(const float* w, std::int64_t inputs, std::int64_t outputs, float* panels);

// What becomes of a sum on its way to y.
struct Finish {
  const float* bias = nullptr;  // [columns]; null: none
  bool relu = false;            // NaN stays NaN
  bool accumulate = false;      // y += sum; neither bias nor relu
};

// y[rows, columns] = finish(a[rows, depth] · panels). One thread.
void multiply_panels(const float* a, std::int64_t lda, std::int64_t rows, const float* panels, std::int64_t depth,
                     std::int64_t columns, float* y, std::int64_t ldy, const Finish& finish);

// c[K, N] = x[rows, K]ᵀ dy[rows, N]; c is contiguous. One thread.
void multiply_transposed(const float* x, std::int64_t ldx, std::int64_t inputs, const float* dy, std::int64_t lddy,
                         std::int64_t outputs, std::int64_t rows, float* c, std::int64_t ldc);

// For layers.h.
struct Fp32Products {
  static constexpr std::int64_t kTileRows = kernels::kTileRows;
  static constexpr std::int64_t kInputStripe = 4 * kTileRows;

  static std::int64_t packed_size(std::int64_t depth, std::int64_t columns) {
    return kernels::packed_size(depth, columns);
  }
  static constexpr auto pack = kernels::pack;
  static constexpr auto pack_transposed = kernels::pack_transposed;
  static constexpr auto multiply_panels = kernels::multiply_panels;
  static constexpr auto multiply_transposed = kernels::multiply_transposed;
};

}  // namespace mal::kernels

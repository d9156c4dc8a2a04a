// Products by dot products of two: an instruction adds both products of each slot of a vector to its sum.
#pragma once

#include "kernels/cpu/bf16/products.h"
#include "kernels/cpu/row_tile.h"

namespace mal::kernels::bf16 {

// Numbers: pair and pairs of products.h, and
//   slot(x)          the slot at x in every lane
//   add(sum, x, w)   sum + the two products of each slot
template <typename Numbers>
struct Dots : Numbers {
  static constexpr std::int64_t kPanel = kernels::kPanel, kTileRows = kernels::kTileRows, kSlots = 1;
  static constexpr auto multiply = RowTiles<Numbers>::multiply;
};

}  // namespace mal::kernels::bf16

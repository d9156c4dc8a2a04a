// Layers of one shape that are too large for a chain: one launch forward and one backward for all of them. A block
// makes a tile of 64 x 128 of a product on tensor cores, while parts of the operands, 32 of the inner dimension, come
// into shared memory in two buffers by turns.
#pragma once

#include "kernels/cuda/support/gemm.h"
#include "kernels/cuda/tiles.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

// A warp makes 32 x 32 of the tile.
inline constexpr int kTileRows = 64, kTileColumns = 128, kTileDepth = 32;
inline constexpr int kWarpTall = 2, kWarpWide = 4;

// Whether layers are taken here. Of larger ones the library's kernels for sm_90 (wgmma, operands by TMA), which read
// shared memory half as often, win more than two launches cost.
inline bool groups_layer(std::int64_t inputs, std::int64_t outputs) {
  return inputs * outputs <= std::int64_t{512} * 1024;
}

struct LayerShape {
  std::int64_t rows;
  std::int32_t inputs, outputs;
  bool relu;
};

void grouped_forward(const LinearForward* calls, std::int32_t count, const LayerShape& shape);
// Leaves dy as it is. dx of two calls are the same, or do not lie across each other.
void grouped_backward(const LinearBackward* calls, std::int32_t count, const LayerShape& shape, float* workspace);
std::int64_t grouped_workspace(std::int32_t count, const LayerShape& shape);

// Where a warp's part of the tile begins.
struct WarpPart {
  int row, column;  // column: in tiles of kAcross
};
__device__ inline WarpPart warp_part() {
  constexpr int kAside = kTileColumns / (kWarpWide * kAcross);
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  return {warp / kAside * (kWarpTall * kDown), warp % kAside * kWarpWide};
}
static_assert(kTileRows / (kWarpTall * kDown) * (kTileColumns / (kWarpWide * kAcross)) == kTileWarps);

// sums += the warp's part of a b, if the tile's matrix, which ends after `rows` and `columns`, has any of it. depth: of
// the inner dimension, up to kTileDepth; beyond it the operands are zero.
template <Precision kPrecision, bool kPaired>
__device__ void multiply_part(float (&sums)[kWarpTall][kWarpWide][4], const View& a, const View& b, std::int64_t rows,
                              int columns, std::int64_t depth) {
  const WarpPart part = warp_part();
  if (part.row >= rows || part.column * kAcross >= columns) return;
  const int deep = depth < kTileDepth ? round_up(static_cast<int>(depth), 8) : kTileDepth;
  multiply_tiles<kPrecision, kWarpTall, kWarpWide, kPaired>(sums, {a.at + part.row * a.across, a.across, a.deep}, b,
                                                            part.column, kTileColumns / kAcross - 1, deep);
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

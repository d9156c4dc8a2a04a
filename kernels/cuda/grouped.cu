// Forward.
#include "kernels/cuda/grouped.h"

#include "kernels/cuda/support/chunk.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

namespace {

struct Layer {
  const float *x, *w, *b;
  float* y;
  std::int64_t ldx, ldy;
  bool x_vector, w_vector, y_pairs;
};

constexpr int kInputStride = kTileDepth + 4, kWeightStride = kTileColumns + 8;
constexpr int kInputFloats = kTileRows * kInputStride, kBufferFloats = kInputFloats + kTileDepth * kWeightStride;

__device__ void store_outputs(float (&sums)[kWarpTall][kWarpWide][4], const Layer& l, const LayerShape& s,
                              std::int64_t row, int column) {
  const WarpPart part = warp_part();
  for_each_pair(sums, part.column, s.outputs - column, [&](int r, int c, float left, float right) {
    const std::int64_t at = row + part.row + r;
    if (at >= s.rows) return;
    c += column;
    const bool both = c + 1 < s.outputs;
    add_bias_and_activate(l.b == nullptr ? nullptr : l.b + c, s.relu, both, left, right);
    store_pair(l.y + at * l.ldy + c, l.y_pairs, both, left, right);
  });
}

template <Precision kPrecision>
__global__ void __launch_bounds__(kTileThreads, 2)
    grouped_forward_kernel(const __grid_constant__ Chunk<Layer> chunk, const __grid_constant__ LayerShape s) {
  const int item = item_of(chunk, blockIdx.x);
  const Layer& l = chunk.items[item];
  const int block = static_cast<int>(blockIdx.x) - chunk.first[item];
  const int across = (s.outputs + kTileColumns - 1) / kTileColumns;
  const int column = block % across * kTileColumns;
  const std::int64_t row = std::int64_t{block / across} * kTileRows;
  float* const buffers = dynamic_shared<float>();
  float sums[kWarpTall][kWarpWide][4] = {};
  Copies copies;
  in_turns(
      copies, (s.inputs + kTileDepth - 1) / kTileDepth,
      [&](int i, int buffer) {
        float *const x = buffers + buffer * kBufferFloats, *const w = x + kInputFloats;
        const int k = i * kTileDepth;
        stage(copies, {l.x + row * l.ldx + k, l.ldx, s.rows - row, s.inputs - k, l.x_vector}, kTileRows, kTileDepth, x,
              kInputStride);
        stage(copies,
              {l.w + std::int64_t{k} * s.outputs + column, s.outputs, s.inputs - k, s.outputs - column, l.w_vector},
              kTileDepth, kTileColumns, w, kWeightStride);
      },
      [](int, int) {},
      [&](int i, int buffer) {
        const float *const x = buffers + buffer * kBufferFloats, *const w = x + kInputFloats;
        multiply_part<kPrecision, false>(sums, {x, kInputStride, 1}, {w, 1, kWeightStride}, s.rows - row,
                                         s.outputs - column, s.inputs - i * kTileDepth);
      });
  store_outputs(sums, l, s, row, column);
}

}  // namespace

void grouped_forward(const LinearForward* calls, std::int32_t count, const LayerShape& shape) {
  for_each_chunk<Layer>(
      count,
      [&](int i) {
        const LinearForward& c = calls[i];
        return Layer{
            c.x, c.w, c.b, c.y, c.ldx, c.ldy, vectors(c.x, c.ldx), vectors(c.w, shape.outputs), pairs(c.y, c.ldy)};
      },
      [&](int) { return ceil_div(shape.rows, kTileRows) * ceil_div(shape.outputs, kTileColumns); },
      [&](const Chunk<Layer>& chunk) {
        launch("linear_group_forward",
               of_precision(grouped_forward_kernel<Precision::fp32>, grouped_forward_kernel<Precision::tf32>,
                            grouped_forward_kernel<Precision::bf16>),
               chunk.blocks(), kTileThreads, 2 * kBufferFloats * sizeof(float), chunk, shape);
      });
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

// Backward: some blocks make tiles of dx, the others tiles of dw, each over a part of the rows. What layers add to one
// dx is one product: of their dy' side by side and their weights one below the other.
#include <algorithm>
#include <vector>

#include "kernels/cuda/grouped.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

namespace {

struct Layer {
  const float *x, *w, *y, *dy;  // y null: no activation
  float* partial;               // [splits, K N + N]
  std::int64_t ldx, ldy, lddy;
  bool x_vector, w_vector, dy_vector, bias;
};
// dx of neighbours among the layers.
struct Target {
  float* dx;
  std::int64_t lddx;
  std::int16_t first, count;
  bool accumulate, pairs;
};

struct Group {
  static constexpr int kMost = static_cast<int>((kParameterBytes - 128) / (sizeof(Layer) + sizeof(Target)));

  LayerShape shape;
  std::int32_t count, targets, splits;
  std::int64_t split_rows;  // a multiple of kTileDepth
  Layer layers[kMost];
  Target target[kMost];
};
static_assert(sizeof(Group) <= kParameterBytes);

// Of a buffer, for dx: dy' [64, 32], y, wᵀ [128, 32]; for dw: x [32, 64], dy' [32, 128], y.
constexpr int kNarrow = kTileDepth + 4, kInputs = kTileRows + 4, kOutputs = kTileColumns + 4;
constexpr int kInputBuffer = (2 * kTileRows + kTileColumns) * kNarrow;
constexpr int kWeightBuffer = kTileDepth * (kInputs + 2 * kOutputs);
constexpr int kBufferFloats = kInputBuffer > kWeightBuffer ? kInputBuffer : kWeightBuffer;

__device__ int parts_of(int size, int part) {
  return (size + part - 1) / part;
}

// dy, and y beside it: rows from `row` below `end`, columns from `column`.
__device__ void stage_gradients(Copies& copies, const Layer& l, const LayerShape& s, std::int64_t row, std::int64_t end,
                                int column, int down, int across, float* dy, float* y, int stride) {
  stage(copies, {l.dy + row * l.lddy + column, l.lddy, end - row, s.outputs - column, l.dy_vector}, down, across, dy,
        stride);
  if (l.y != nullptr)
    stage(copies, {l.y + row * l.ldy + column, l.ldy, end - row, s.outputs - column, l.dy_vector}, down, across, y,
          stride);
}

// dx = Σ dy' wᵀ over the target's layers.
template <Precision kPrecision>
__device__ void input_gradients(const Group& group, const Target& target, std::int64_t row, int column) {
  const LayerShape& s = group.shape;
  const int parts = parts_of(s.outputs, kTileDepth);
  float sums[kWarpTall][kWarpWide][4] = {};
  Copies copies;
  const auto layer_of = [&](int i) -> const Layer& { return group.layers[target.first + i / parts]; };
  const auto dy_of = [](int buffer) { return dynamic_shared<float>() + buffer * kBufferFloats; };
  in_turns(
      copies, parts * target.count,
      [&](int i, int buffer) {
        const Layer& l = layer_of(i);
        const int n = i % parts * kTileDepth;
        float *const dy = dy_of(buffer), *const y = dy + kTileRows * kNarrow, *const w = y + kTileRows * kNarrow;
        stage_gradients(copies, l, s, row, s.rows, n, kTileRows, kTileDepth, dy, y, kNarrow);
        stage(copies,
              {l.w + std::int64_t{column} * s.outputs + n, s.outputs, s.inputs - column, s.outputs - n, l.w_vector},
              kTileColumns, kTileDepth, w, kNarrow);
      },
      [&](int i, int buffer) {
        float* const dy = dy_of(buffer);
        if (const Layer& l = layer_of(i); l.y != nullptr)
          close(dy, dy + kTileRows * kNarrow, kTileRows, kTileDepth, kNarrow, l.dy_vector);
      },
      [&](int i, int buffer) {
        const float* const dy = dy_of(buffer);
        multiply_part<kPrecision, false>(sums, {dy, kNarrow, 1}, {dy + 2 * kTileRows * kNarrow, kNarrow, 1},
                                         s.rows - row, s.inputs - column, s.outputs - i % parts * kTileDepth);
      });
  const WarpPart part = warp_part();
  for_each_pair(sums, part.column, s.inputs - column, [&](int r, int c, float left, float right) {
    const std::int64_t at = row + part.row + r;
    if (at >= s.rows) return;
    c += column;
    const bool both = c + 1 < s.inputs;
    float* const dx = target.dx + at * target.lddx + c;
    if (target.accumulate) {
      left += dx[0];
      if (both) right += dx[1];
    }
    store_pair(dx, target.pairs, both, left, right);
  });
}

// A tile of dw = xᵀ dy' over a split of the rows, and with its first rows db, which are partial sums.
template <Precision kPrecision>
__device__ void weight_gradients(const Group& group, const Layer& l, int split, int input, int output) {
  const LayerShape& s = group.shape;
  const std::int64_t begin = split * group.split_rows, end = min(s.rows, begin + group.split_rows);
  const bool sums_bias = input == 0 && l.bias && static_cast<int>(threadIdx.x) < min(kTileColumns, s.outputs - output);
  float sums[kWarpTall][kWarpWide][4] = {}, bias = 0;
  Copies copies;
  const auto x_of = [](int buffer) { return dynamic_shared<float>() + buffer * kBufferFloats; };
  const auto dy_of = [&](int buffer) { return x_of(buffer) + kTileDepth * kInputs; };
  in_turns(
      copies, static_cast<int>((end - begin + kTileDepth - 1) / kTileDepth),
      [&](int i, int buffer) {
        const std::int64_t row = begin + std::int64_t{i} * kTileDepth;
        stage(copies, {l.x + row * l.ldx + input, l.ldx, end - row, s.inputs - input, l.x_vector}, kTileDepth,
              kTileRows, x_of(buffer), kInputs);
        float* const dy = dy_of(buffer);
        stage_gradients(copies, l, s, row, end, output, kTileDepth, kTileColumns, dy, dy + kTileDepth * kOutputs,
                        kOutputs);
      },
      [&](int, int buffer) {
        float* const dy = dy_of(buffer);
        if (l.y != nullptr) close(dy, dy + kTileDepth * kOutputs, kTileDepth, kTileColumns, kOutputs, l.dy_vector);
      },
      [&](int i, int buffer) {
        const float* const dy = dy_of(buffer);
        multiply_part<kPrecision, true>(sums, {x_of(buffer), 1, kInputs}, {dy, 1, kOutputs}, s.inputs - input,
                                        s.outputs - output, end - begin - std::int64_t{i} * kTileDepth);
        if (sums_bias)
          for (int r = 0; r < kTileDepth; ++r) bias += dy[r * kOutputs + static_cast<int>(threadIdx.x)];
      });
  const std::int64_t weights = std::int64_t{s.inputs} * s.outputs;
  float* const partial = l.partial + split * (weights + s.outputs);
  const WarpPart part = warp_part();
  for_each_pair(sums, part.column, s.outputs - output, [&](int r, int c, float left, float right) {
    const int at = input + part.row + r;
    if (at < s.inputs)
      store_pair(partial + std::int64_t{at} * s.outputs + output + c, false, output + c + 1 < s.outputs, left, right);
  });
  if (sums_bias) partial[weights + output + static_cast<int>(threadIdx.x)] = bias;
}

template <Precision kPrecision>
__global__ void __launch_bounds__(kTileThreads, 2) grouped_backward_kernel(const __grid_constant__ Group group) {
  const LayerShape& s = group.shape;
  auto block = static_cast<int>(blockIdx.x);
  const int across = parts_of(s.inputs, kTileColumns);
  const auto down = static_cast<int>((s.rows + kTileRows - 1) / kTileRows);
  if (block < group.targets * across * down) {  // these first: they take longest
    const int tile = block % (across * down);
    return input_gradients<kPrecision>(group, group.target[block / (across * down)],
                                       std::int64_t{tile / across} * kTileRows, tile % across * kTileColumns);
  }
  block -= group.targets * across * down;
  const int inputs = parts_of(s.inputs, kTileRows), outputs = parts_of(s.outputs, kTileColumns);
  const int tiles = inputs * outputs, tile = block % tiles;
  weight_gradients<kPrecision>(group, group.layers[block / tiles % group.count], block / tiles / group.count,
                               tile / outputs * kTileRows, tile % outputs * kTileColumns);
}

// Parts of the rows for dw, at most: so that all tiles of all layers are about as many blocks as leave partial sums
// elsewhere.
std::int64_t most_splits(std::int32_t count, const LayerShape& s) {
  const std::int64_t tiles = count * ceil_div(s.inputs, kTileRows) * ceil_div(s.outputs, kTileColumns);
  return std::max<std::int64_t>(1, kPartialBlocks / tiles);
}
std::int64_t split_rows(std::int32_t count, const LayerShape& s) {
  return ceil_div(ceil_div(s.rows, most_splits(count, s)), kTileDepth) * kTileDepth;
}

Layer layer_of(const LinearBackward& c, const LayerShape& s, float* partial) {
  return {c.x,
          c.w,
          s.relu ? c.y : nullptr,
          c.dy,
          partial,
          c.ldx,
          c.ldy,
          c.lddy,
          vectors(c.x, c.ldx),
          vectors(c.w, s.outputs),
          vectors(c.dy, c.lddy) && (!s.relu || vectors(c.y, c.ldy)),
          c.db != nullptr};
}

// Layers that share dx as neighbours, otherwise in their order. What a launch does not hold of them adds to dx in the
// next.
std::vector<LinearBackward> beside_each_other(const LinearBackward* calls, std::int32_t count) {
  std::vector<LinearBackward> sorted;
  for (std::int32_t i = 0; i < count; ++i) {
    const auto same = std::ranges::find(sorted.rbegin(), sorted.rend(), calls[i].dx, &LinearBackward::dx);
    sorted.insert(same == sorted.rend() ? sorted.end() : same.base(), calls[i]);
  }
  return sorted;
}

void start(const Group& group) {
  const LayerShape& s = group.shape;
  const std::int64_t dx = group.targets * ceil_div(s.rows, kTileRows) * ceil_div(s.inputs, kTileColumns),
                     dw =
                         group.count * group.splits * ceil_div(s.inputs, kTileRows) * ceil_div(s.outputs, kTileColumns);
  launch("linear_group_backward",
         of_precision(grouped_backward_kernel<Precision::fp32>, grouped_backward_kernel<Precision::tf32>,
                      grouped_backward_kernel<Precision::bf16>),
         static_cast<unsigned>(dx + dw), kTileThreads, 2 * kBufferFloats * sizeof(float), group);
}

}  // namespace

void grouped_backward(const LinearBackward* calls, std::int32_t count, const LayerShape& shape, float* workspace) {
  if (count == 0) return;
  const std::vector<LinearBackward> sorted = beside_each_other(calls, count);
  const std::int64_t rows = split_rows(count, shape), splits = ceil_div(shape.rows, rows);
  const std::int64_t weights = std::int64_t{shape.inputs} * shape.outputs, stride = weights + shape.outputs;
  std::vector<PartialSum> sums;
  Group group{};
  group.shape = shape;
  group.splits = static_cast<std::int32_t>(splits);
  group.split_rows = rows;
  for (std::int32_t i = 0; i < count; ++i) {
    const LinearBackward& c = sorted[static_cast<std::size_t>(i)];
    const bool goes_on = i > 0 && c.dx == sorted[static_cast<std::size_t>(i) - 1].dx;
    if (group.count == Group::kMost) {
      start(group);
      group.count = group.targets = 0;
    }
    if (c.dx != nullptr && (!goes_on || group.count == 0))
      group.target[group.targets++] = {
          c.dx, c.lddx, static_cast<std::int16_t>(group.count), 0, c.accumulate || goes_on, pairs(c.dx, c.lddx)};
    if (c.dx != nullptr) ++group.target[group.targets - 1].count;
    group.layers[group.count++] = layer_of(c, shape, workspace);
    sums.push_back({workspace, splits, stride, c.dw, weights});
    if (c.db != nullptr) sums.push_back({workspace + weights, splits, stride, c.db, shape.outputs});
    workspace += splits * stride;
  }
  if (group.count > 0) start(group);
  sum_partials(sums.data(), static_cast<std::int32_t>(sums.size()));
}

// Of so many rows or fewer: parts are of whole tiles, so a smaller batch may have more of them.
std::int64_t grouped_workspace(std::int32_t count, const LayerShape& shape) {
  if (shape.rows == 0 || count == 0) return 0;
  const std::int64_t splits = std::min(ceil_div(shape.rows, kTileDepth), most_splits(count, shape));
  return count * splits * (std::int64_t{shape.inputs} + 1) * shape.outputs;
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

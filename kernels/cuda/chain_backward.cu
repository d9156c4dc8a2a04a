// Backward: dx, and sums over rows for weights and biases. A block multiplies xᵀ dy' over all of its rows into
// registers, for as many rows of dw as these hold, and leaves one row of partial sums of a step: dw, then db.
#include <string>
#include <vector>

#include "kernels/cuda/chain.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

namespace {

constexpr int kMostSlots = 8;  // tiles of dw that a warp holds: 32 registers

struct Step {
  const float *x, *w, *y, *dy;  // w null: an addition
  float* dx;
  float* other;  // daddend of an addition, partial sums [blocks, K N + N] of a layer
  std::int32_t ldx, ldy, lddy, lddx, ldother, inputs, outputs;
  std::int16_t deep;  // rows of dw at a time: a multiple of 16
  std::int8_t slots;
  bool relu, bias, accumulate, accumulate_other, x_vector, w_vector, dy_vector, dx_pairs;
};

// Matrices in shared memory: w [deep, outputs], x [kChainRows, deep], dy [kChainRows, outputs].
struct Shared {
  float *w, *x, *dy;
  int x_stride, stride;  // of x; of w and dy
};
__device__ Shared shared_of(const Step& s) {
  Shared shared{dynamic_shared<float>(), nullptr, nullptr, stride_for_rows(s.deep), stride_for_rows(s.outputs)};
  shared.x = shared.w + s.deep * shared.stride;
  shared.dy = shared.x + kChainRows * shared.x_stride;
  return shared;
}
std::int64_t shared_floats(const Step& s) {
  return std::int64_t{s.deep + kChainRows} * stride_for_rows(s.outputs) +
         std::int64_t{kChainRows} * stride_for_rows(s.deep);
}

// The fewest tiles a warp with which it has one run of them for all rows of dw; the most where that is not enough.
void choose_tiles(Step& s) {
  const auto groups = [&](int slots) { return static_cast<int>(ceil_div(ceil_div(s.outputs, kAcross), slots)); };
  const auto down = static_cast<int>(ceil_div(s.inputs, kDown));
  int slots = 1;
  while (slots < kMostSlots && down * groups(slots) > kTileWarps) slots *= 2;
  s.slots = static_cast<std::int8_t>(slots);
  s.deep = static_cast<std::int16_t>(std::min(down, kTileWarps / groups(slots)) * kDown);
}

// dy' = dy act'(y) of a tile.
__device__ void stage_gradients(Copies& copies, const Step& s, std::int64_t row, std::int64_t rows,
                                const Shared& shared) {
  const int across = round_up(s.outputs, kAcross);
  if (!s.relu)
    return stage(copies, {s.dy + row * s.lddy, s.lddy, rows - row, s.outputs, s.dy_vector}, kChainRows, across,
                 shared.dy, shared.stride);
  for_each_unit<4>(kChainRows, across, [&](int r, int c) {
    float values[4] = {}, y[4] = {};
    const float* const from = s.dy + (row + r) * s.lddy + c;
    const float* const output = s.y + (row + r) * s.ldy + c;
    const bool whole = s.dy_vector && c + 4 <= s.outputs;
    if (row + r < rows && whole) {
      load(from, values);
      load(output, y);
    } else if (row + r < rows) {
      for (int i = 0; i < 4; ++i)
        if (c + i < s.outputs) values[i] = from[i], y[i] = output[i];
    }
    for (int i = 0; i < 4; ++i)
      if (!(y[i] > 0)) values[i] = 0;
    store(shared.dy + r * shared.stride + c, values);
  });
}

// The tile's dx = dy' wᵀ, of columns first … first + columns − 1.
template <Precision kPrecision, int kSlots>
__device__ void input_gradients(const Step& s, const Shared& shared, std::int64_t row, std::int64_t rows, int first,
                                int columns) {
  const int wide = (columns + kAcross - 1) / kAcross, groups = (wide + kSlots - 1) / kSlots;
  for (int run = static_cast<int>(threadIdx.x) / kWarp; run < kChainRows / kDown * groups; run += kTileWarps) {
    const int down = run / groups * kDown, slot = run % groups * kSlots;
    float sums[1][kSlots][4] = {};
    multiply_tiles<kPrecision, 1, kSlots, false>(sums, {shared.dy + down * shared.stride, shared.stride, 1},
                                                 {shared.w, shared.stride, 1}, slot, wide - 1,
                                                 round_up(s.outputs, kAcross));
    for_each_pair(sums, slot, columns, [&](int r, int c, float left, float right) {
      const std::int64_t at = row + down + r;
      if (at >= rows) return;
      const bool both = c + 1 < columns;
      float* const dx = s.dx + at * s.lddx + first + c;
      if (s.accumulate) {
        left += dx[0];
        if (both) right += dx[1];
      }
      store_pair(dx, s.dx_pairs, both, left, right);
    });
  }
}

// Rows first … first + deep − 1 of dw, and with them these columns of dx; in the first pass also db.
template <Precision kPrecision, int kSlots>
__device__ void layer_pass(const Step& s, const Place<Step>& place, std::int64_t rows, int first, Copies& copies) {
  const Shared shared = shared_of(s);
  const int columns = min(static_cast<int>(s.deep), s.inputs - first), wide = (s.outputs + kAcross - 1) / kAcross;
  const int groups = (wide + kSlots - 1) / kSlots, warp = static_cast<int>(threadIdx.x) / kWarp;
  const int down = warp / groups * kDown, slot = warp % groups * kSlots;
  const bool works = down < columns;
  float sums[1][kSlots][4] = {}, bias = 0;
  if (s.dx != nullptr)
    stage(copies, {s.w + std::int64_t{first} * s.outputs, s.outputs, columns, s.outputs, s.w_vector},
          round_up(columns, kAcross), round_up(s.outputs, kAcross), shared.w, shared.stride);
  for (std::int64_t row = place.first; row < rows; row += place.step) {
    stage(copies, {s.x + row * s.ldx + first, s.ldx, rows - row, columns, s.x_vector}, kChainRows, s.deep, shared.x,
          shared.x_stride);
    stage_gradients(copies, s, row, rows, shared);
    copies.wait();
    __syncthreads();
    if (s.dx != nullptr) {
      if (columns > 4 * kAcross)
        input_gradients<kPrecision, 4>(s, shared, row, rows, first, columns);
      else
        input_gradients<kPrecision, 1>(s, shared, row, rows, first, columns);
    }
    if (works)
      multiply_tiles<kPrecision, 1, kSlots, true>(sums, {shared.x + down, 1, shared.x_stride},
                                                  {shared.dy, 1, shared.stride}, slot, wide - 1, kChainRows);
    if (first == 0 && s.bias && static_cast<int>(threadIdx.x) < s.outputs)
      for (int r = 0; r < kChainRows; ++r) bias += shared.dy[r * shared.stride + static_cast<int>(threadIdx.x)];
    __syncthreads();  // the next tile's matrices, and the next step's
  }
  const std::int64_t weights = std::int64_t{s.inputs} * s.outputs;
  float* const partial = s.other + place.block * (weights + s.outputs);
  if (works)
    for_each_pair(sums, slot, s.outputs, [&](int r, int c, float left, float right) {
      if (down + r < columns)
        store_pair(partial + std::int64_t{first + down + r} * s.outputs + c, false, c + 1 < s.outputs, left, right);
    });
  if (first == 0 && s.bias && static_cast<int>(threadIdx.x) < s.outputs) partial[weights + threadIdx.x] = bias;
}

__device__ void addition(const Step& s, const Place<Step>& place, std::int64_t rows) {
  for (std::int64_t row = place.first; row < rows; row += place.step)
    for_each_unit<1>(kChainRows, s.outputs, [&](int r, int c) {
      if (row + r >= rows) return;
      const float gradient = s.dy[(row + r) * s.lddy + c];
      const auto put = [&](float* to, std::int64_t ld, bool accumulate) {
        if (to == nullptr) return;
        float& at = to[(row + r) * ld + c];
        at = accumulate ? at + gradient : gradient;
      };
      put(s.dx, s.lddx, s.accumulate);
      put(s.other, s.ldother, s.accumulate_other);
    });
  __syncthreads();
}

template <Precision kPrecision>
__global__ void __launch_bounds__(kTileThreads, 2) chain_backward_kernel(const __grid_constant__ Chains<Step> chains) {
  const Place<Step> place = place_of(chains);
  Copies copies;
  for (const Step* s = place.begin; s != place.end; ++s) {
    if (s->w == nullptr) {
      addition(*s, place, chains.rows);
      continue;
    }
    for (int first = 0; first < s->inputs; first += s->deep) {
      if (s->slots == 1)
        layer_pass<kPrecision, 1>(*s, place, chains.rows, first, copies);
      else if (s->slots == 2)
        layer_pass<kPrecision, 2>(*s, place, chains.rows, first, copies);
      else if (s->slots == 4)
        layer_pass<kPrecision, 4>(*s, place, chains.rows, first, copies);
      else
        layer_pass<kPrecision, 8>(*s, place, chains.rows, first, copies);
    }
  }
}

Step step_of(const ChainBackward& c, float* partial) {
  const bool adds = c.w == nullptr;
  Step s{c.x,
         c.w,
         c.y,
         c.dy,
         c.dx,
         adds ? c.daddend : partial,
         static_cast<std::int32_t>(c.ldx),
         static_cast<std::int32_t>(c.ldy),
         static_cast<std::int32_t>(c.lddy),
         static_cast<std::int32_t>(c.lddx),
         static_cast<std::int32_t>(c.lddaddend),
         static_cast<std::int32_t>(c.inputs),
         static_cast<std::int32_t>(c.outputs),
         0,
         0,
         c.activation == Activation::relu,
         c.db != nullptr,
         c.accumulate,
         c.accumulate_addend,
         vectors(c.x, c.ldx),
         vectors(c.w, c.outputs),
         vectors(c.dy, c.lddy) && (c.activation == Activation::none || vectors(c.y, c.ldy)),
         pairs(c.dx, c.lddx)};
  if (adds) return s;
  if (!chain_takes(c.inputs, c.outputs))
    refuse("chain_backward", "a layer of " + std::to_string(c.inputs) + " x " + std::to_string(c.outputs) +
                                 ", which chains_layer() does not take");
  choose_tiles(s);
  return s;
}

std::int64_t partial_floats(std::int64_t inputs, std::int64_t outputs, std::int64_t blocks) {
  return blocks * (inputs + 1) * outputs;
}

void clear_gradients(const ChainBackward& c) {
  if (c.w == nullptr) return;
  constexpr auto kBytes = static_cast<std::int64_t>(sizeof(float));
  zero_bytes(c.dw, c.inputs * c.outputs * kBytes);
  if (c.db != nullptr) zero_bytes(c.db, c.outputs * kBytes);
}

}  // namespace

void run_chains_backward(const ChainBackward* steps, std::int32_t count, std::int64_t rows, float* workspace) {
  if (rows == 0) {
    std::for_each_n(steps, count, clear_gradients);
    return;
  }
  if (count == 0) return;
  const std::int64_t blocks = chain_blocks(rows, chains_of(steps, count), kPartialBlocks);
  std::vector<Step> made;
  std::vector<PartialSum> sums;
  std::int64_t floats = 0;
  for (std::int32_t i = 0; i < count; ++i) {
    const ChainBackward& c = steps[i];
    made.push_back(step_of(c, workspace));
    if (c.w == nullptr) continue;
    floats = std::max(floats, shared_floats(made.back()));
    const std::int64_t weights = c.inputs * c.outputs, stride = weights + c.outputs;
    sums.push_back({workspace, blocks, stride, c.dw, weights});
    if (c.db != nullptr) sums.push_back({workspace + weights, blocks, stride, c.db, c.outputs});
    workspace += partial_floats(c.inputs, c.outputs, blocks);
  }
  for_each_launch<Step>(
      steps, count, rows, blocks, [&](std::int32_t i) { return made[static_cast<std::size_t>(i)]; },
      [&](const Chains<Step>& chains) {
        launch("chain_backward",
               of_precision(chain_backward_kernel<Precision::fp32>, chain_backward_kernel<Precision::tf32>,
                            chain_backward_kernel<Precision::bf16>),
               static_cast<unsigned>(chains.count * blocks), kTileThreads, bytes_of(floats), chains);
      });
  sum_partials(sums.data(), static_cast<std::int32_t>(sums.size()));
}

// Of so many rows or fewer: a smaller batch may be cut into more blocks than a larger one, whose blocks have two tiles.
std::int64_t chains_workspace(const LayerSize* sizes, std::int32_t count, std::int64_t rows, std::int64_t chains) {
  std::int64_t floats = 0;
  for (std::int32_t i = 0; i < count; ++i)
    floats += partial_floats(sizes[i].inputs, sizes[i].outputs,
                             std::min(ceil_div(rows, kChainRows), ceil_div(kPartialBlocks, chains)));
  return floats;
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

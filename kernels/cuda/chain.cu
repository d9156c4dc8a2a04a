// Forward, and what a chain takes.
#include "kernels/cuda/chain.h"

#include <string>

namespace mal::kernels::MAL_CUDA_NAMESPACE {

namespace {

#ifdef MAL_CUDA_EMULATION
constexpr std::int64_t kMostForwardBlocks = 12;  // so that small tests step on to further tiles
#else
constexpr std::int64_t kMostForwardBlocks = 528;  // four for each multiprocessor of an H100
#endif

struct Step {
  const float *x, *w;  // w null: an addition of `other`
  const float* other;  // or the bias, which may be null
  float* y;
  std::int32_t ldx, ldother, ldy, inputs, outputs;
  std::int16_t columns;  // of w in shared memory at a time: a multiple of 8
  bool relu, x_vector, w_vector, y_pairs;
};

std::int64_t weight_floats(std::int64_t inputs, int columns) {
  return round_up(static_cast<int>(inputs), 8) * std::int64_t{stride_for_columns(columns)};
}
std::int64_t input_floats(std::int64_t inputs) {
  return std::int64_t{kChainRows} * stride_for_rows(static_cast<int>(inputs));
}

// As many columns of w as let two blocks fit a multiprocessor, in equal parts.
int columns_of(std::int64_t inputs, std::int64_t outputs) {
  const int all = round_up(static_cast<int>(outputs), 8);
  const auto fits = [&](int columns) {
    return (weight_floats(inputs, columns) + input_floats(inputs)) * std::int64_t{sizeof(float)} <= kTwoBlocks;
  };
  for (int parts = 1;; ++parts)
    if (const int columns = round_up((all + parts - 1) / parts, 8); fits(columns)) return columns;
}

// The tile's y = act(x w + b), of columns first … first + columns − 1.
template <Precision kPrecision, int kSlots>
__device__ void multiply(const Step& s, const float* x, const float* w, std::int64_t row, std::int64_t rows, int first,
                         int columns) {
  const int wide = (columns + kAcross - 1) / kAcross, groups = (wide + kSlots - 1) / kSlots;
  const int x_stride = stride_for_rows(s.inputs), w_stride = stride_for_columns(s.columns);
  for (int run = static_cast<int>(threadIdx.x) / kWarp; run < kChainRows / kDown * groups; run += kTileWarps) {
    const int down = run / groups * kDown, slot = run % groups * kSlots;
    float sums[1][kSlots][4] = {};
    multiply_tiles<kPrecision, 1, kSlots, false>(sums, {x + down * x_stride, x_stride, 1}, {w, 1, w_stride}, slot,
                                                 wide - 1, round_up(s.inputs, 8));
    for_each_pair(sums, slot, columns, [&](int r, int c, float left, float right) {
      const std::int64_t at = row + down + r;
      if (at >= rows) return;
      const bool both = c + 1 < columns;
      c += first;
      add_bias_and_activate(s.other == nullptr ? nullptr : s.other + c, s.relu, both, left, right);
      store_pair(s.y + at * s.ldy + c, s.y_pairs, both, left, right);
    });
  }
}

template <Precision kPrecision>
__device__ void layer(const Step& s, const Place<Step>& place, std::int64_t rows, Copies& copies) {
  const int deep = round_up(s.inputs, 8), x_stride = stride_for_rows(s.inputs),
            w_stride = stride_for_columns(s.columns);
  float *w = dynamic_shared<float>(), *x = w + deep * w_stride;
  for (int first = 0; first < s.outputs; first += s.columns) {
    const int columns = min(static_cast<int>(s.columns), s.outputs - first);
    stage(copies, {s.w + first, s.outputs, s.inputs, columns, s.w_vector}, deep, s.columns, w, w_stride);
    for (std::int64_t row = place.first; row < rows; row += place.step) {
      stage(copies, {s.x + row * s.ldx, s.ldx, rows - row, s.inputs, s.x_vector}, kChainRows, deep, x, x_stride);
      copies.wait();
      __syncthreads();
      if (columns > 8 * kAcross)
        multiply<kPrecision, 4>(s, x, w, row, rows, first, columns);
      else if (columns > 4 * kAcross)
        multiply<kPrecision, 2>(s, x, w, row, rows, first, columns);
      else
        multiply<kPrecision, 1>(s, x, w, row, rows, first, columns);
      __syncthreads();  // the next tile's x, and the next step's
    }
  }
}

__device__ void addition(const Step& s, const Place<Step>& place, std::int64_t rows) {
  for (std::int64_t row = place.first; row < rows; row += place.step)
    for_each_unit<1>(kChainRows, s.outputs, [&](int r, int c) {
      if (row + r < rows) s.y[(row + r) * s.ldy + c] = s.x[(row + r) * s.ldx + c] + s.other[(row + r) * s.ldother + c];
    });
  __syncthreads();
}

template <Precision kPrecision>
__global__ void __launch_bounds__(kTileThreads, 2) chain_forward_kernel(const __grid_constant__ Chains<Step> chains) {
  const Place<Step> place = place_of(chains);
  Copies copies;
  for (const Step* s = place.begin; s != place.end; ++s) {
    if (s->w == nullptr)
      addition(*s, place, chains.rows);
    else
      layer<kPrecision>(*s, place, chains.rows, copies);
  }
}

Step step_of(const ChainForward& c) {
  Step s{c.x,
         c.w,
         c.w == nullptr ? c.addend : c.b,
         c.y,
         static_cast<std::int32_t>(c.ldx),
         static_cast<std::int32_t>(c.ldaddend),
         static_cast<std::int32_t>(c.ldy),
         static_cast<std::int32_t>(c.inputs),
         static_cast<std::int32_t>(c.outputs),
         0,
         c.activation == Activation::relu,
         vectors(c.x, c.ldx),
         vectors(c.w, c.outputs),
         pairs(c.y, c.ldy)};
  if (c.w == nullptr) return s;
  if (!chain_takes(c.inputs, c.outputs))
    refuse("chain_forward", "a layer of " + std::to_string(c.inputs) + " x " + std::to_string(c.outputs) +
                                ", which chains_layer() does not take");
  s.columns = static_cast<std::int16_t>(columns_of(c.inputs, c.outputs));
  return s;
}

}  // namespace

void run_chains_forward(const ChainForward* steps, std::int32_t count, std::int64_t rows) {
  if (rows == 0 || count == 0) return;
  const std::int64_t blocks = chain_blocks(rows, chains_of(steps, count), kMostForwardBlocks);
  std::int64_t floats = 0;
  for (std::int32_t i = 0; i < count; ++i)
    if (const ChainForward& c = steps[i]; c.w != nullptr && chain_takes(c.inputs, c.outputs))
      floats = std::max(floats, weight_floats(c.inputs, columns_of(c.inputs, c.outputs)) + input_floats(c.inputs));
  for_each_launch<Step>(
      steps, count, rows, blocks, [&](std::int32_t i) { return step_of(steps[i]); },
      [&](const Chains<Step>& chains) {
        launch("chain_forward",
               of_precision(chain_forward_kernel<Precision::fp32>, chain_forward_kernel<Precision::tf32>,
                            chain_forward_kernel<Precision::bf16>),
               static_cast<unsigned>(chains.count * blocks), kTileThreads, bytes_of(floats), chains);
      });
}

void chain_forward(const ChainForward* steps, std::int32_t count, std::int64_t rows) {
  run_chains_forward(steps, count, rows);
}

void chain_backward(const ChainBackward* steps, std::int32_t count, std::int64_t rows, float* workspace) {
  run_chains_backward(steps, count, rows, workspace);
}

std::int64_t chain_backward_workspace(const LayerSize* sizes, std::int32_t count, std::int64_t rows) {
  return chains_workspace(sizes, count, rows, 1);
}

bool chains_layer(std::int64_t inputs, std::int64_t outputs) {
  return inputs <= 256 && outputs <= 256 && inputs * outputs <= kMostChainWeights;
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

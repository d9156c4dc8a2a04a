// Chains of dense layers and additions, each way one launch for all chains of a call. A block takes some tiles of 32
// rows of one chain and goes through its steps: of each it brings the weights into shared memory once, then tile after
// tile multiplies on tensor cores. What a step leaves is in the device's memory, where the block's next step finds it:
// it has touched those rows alone.
#pragma once

#include <algorithm>

#include "kernels/cuda/support/gemm.h"
#include "kernels/cuda/tiles.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

inline constexpr int kChainRows = 32;                         // of a tile
inline constexpr std::int64_t kMostChainWeights = 160 * 128;  // of a layer that gains by it

// Whether a layer can be a step. Forward holds a tile of x, and a thread owns a column of the bias gradient.
inline bool chain_takes(std::int64_t inputs, std::int64_t outputs) {
  return inputs <= 512 && outputs <= kTileThreads;
}

void run_chains_forward(const ChainForward* steps, std::int32_t count, std::int64_t rows);
void run_chains_backward(const ChainBackward* steps, std::int32_t count, std::int64_t rows, float* workspace);
// Floats, at most: of so many chains, or of one.
std::int64_t chains_workspace(const LayerSize* sizes, std::int32_t count, std::int64_t rows, std::int64_t chains);

// Layers of one shape as chains of one step (chain_layers.cu): what linear_group_forward and linear_group_backward do
// with layers that are too small for the library, whose launches (one for each of dw and dx, one for the activation)
// would take longer than its arithmetic.
bool chains_alone(std::int64_t inputs, std::int64_t outputs);
void layers_forward(const LinearForward* calls, std::int32_t count, std::int64_t rows, std::int64_t inputs,
                    std::int64_t outputs, Activation activation);
void layers_backward(const LinearBackward* calls, std::int32_t count, std::int64_t rows, std::int64_t inputs,
                     std::int64_t outputs, Activation activation, float* workspace);
std::int64_t layers_workspace(std::int32_t count, std::int64_t rows, std::int64_t inputs, std::int64_t outputs,
                              bool shares_dx);

// Blocks that share the rows of a chain, so that all chains together have at most `most`, each with as many tiles as
// the others. By shapes alone: sums have the same order on every device.
inline std::int64_t chain_blocks(std::int64_t rows, std::int64_t chains, std::int64_t most) {
  const std::int64_t tiles = ceil_div(rows, kChainRows);
  const std::int64_t each = ceil_div(tiles * chains, most);
  return ceil_div(tiles, each);
}

// Steps of several chains as they travel in a kernel's parameters.
template <typename Step>
struct Chains {
  static constexpr int kMost = static_cast<int>((kParameterBytes - 64) / (sizeof(Step) + sizeof(std::int16_t)));

  std::int64_t rows;
  std::int32_t blocks;  // of a chain
  std::int32_t count = 0;
  std::int16_t first[kMost + 1] = {0};  // step of each chain, and the end
  Step steps[kMost];
};

// start(chains) for all steps, in as few launches as hold them: a chain may go on in the next. make(i) → Step.
template <typename Step, typename Call, typename Make, typename Start>
void for_each_launch(const Call* calls, std::int32_t count, std::int64_t rows, std::int64_t blocks, const Make& make,
                     const Start& start) {
  for (std::int32_t i = 0; i < count;) {
    Chains<Step> chains;
    chains.rows = rows;
    chains.blocks = static_cast<std::int32_t>(blocks);
    const std::int32_t begin = i;
    for (; i < count && i - begin < Chains<Step>::kMost; ++i) {
      if (i == begin || calls[i].chain != calls[i - 1].chain) ++chains.count;
      chains.steps[i - begin] = make(i);
      chains.first[chains.count] = static_cast<std::int16_t>(i - begin + 1);
    }
    start(chains);
  }
}

template <typename Call>
std::int64_t chains_of(const Call* calls, std::int32_t count) {
  std::int64_t chains = count > 0 ? 1 : 0;
  for (std::int32_t i = 1; i < count; ++i) chains += calls[i].chain != calls[i - 1].chain ? 1 : 0;
  return chains;
}

// Steps of the chain that a block works on, and its tiles: first, first + step, ….
template <typename Step>
struct Place {
  const Step *begin, *end;
  unsigned block;
  std::int64_t first, step;  // rows
};
template <typename Step>
__device__ Place<Step> place_of(const Chains<Step>& chains) {
  const unsigned chain = blockIdx.x / static_cast<unsigned>(chains.blocks);
  const unsigned block = blockIdx.x % static_cast<unsigned>(chains.blocks);
  return {chains.steps + chains.first[chain], chains.steps + chains.first[chain + 1], block,
          std::int64_t{block} * kChainRows, std::int64_t{chains.blocks} * kChainRows};
}

inline std::size_t bytes_of(std::int64_t floats) {
  return static_cast<std::size_t>(floats) * sizeof(float);
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

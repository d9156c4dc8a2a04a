// Layers of one shape as chains of one step.
#include <algorithm>
#include <vector>

#include "kernels/cuda/chain.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

namespace {

// The first call with whose dx that of each lies across, directly or through others.
std::vector<std::int32_t> families(const LinearBackward* calls, std::int32_t count, std::int64_t inputs) {
  std::vector<std::int32_t> family;
  for (std::int32_t i = 0; i < count; ++i) {
    family.push_back(i);
    for (std::int32_t j = 0; j < i; ++j) {
      if (calls[i].dx == nullptr || calls[j].dx == nullptr || !overlap(calls[i].dx, calls[j].dx, inputs)) continue;
      const std::int32_t one = family[static_cast<std::size_t>(i)], other = family[static_cast<std::size_t>(j)];
      std::ranges::replace(family, std::max(one, other), std::min(one, other));
    }
  }
  return family;
}

}  // namespace

bool chains_alone(std::int64_t inputs, std::int64_t outputs) {
  return chain_takes(inputs, outputs) && inputs * outputs <= kMostChainWeights;
}

void layers_forward(const LinearForward* calls, std::int32_t count, std::int64_t rows, std::int64_t inputs,
                    std::int64_t outputs, Activation activation) {
  std::vector<ChainForward> steps;
  for (std::int32_t i = 0; i < count; ++i) {
    const LinearForward& c = calls[i];
    steps.push_back({c.x, c.ldx, c.w, c.b, nullptr, 0, c.y, c.ldy, inputs, outputs, activation, i});
  }
  run_chains_forward(steps.data(), count, rows);
}

// Calls that write into one dx are a chain: a block adds them up in its rows.
void layers_backward(const LinearBackward* calls, std::int32_t count, std::int64_t rows, std::int64_t inputs,
                     std::int64_t outputs, Activation activation, float* workspace) {
  const std::vector<std::int32_t> family = families(calls, count, inputs);
  std::vector<ChainBackward> steps;
  for (std::int32_t i = 0; i < count; ++i) {
    const LinearBackward& c = calls[i];
    steps.push_back({c.x, c.ldx, c.w, c.y, c.ldy, c.dy, c.lddy, c.dx, c.lddx, c.accumulate, nullptr, 0, false, c.dw,
                     c.db, inputs, outputs, activation, family[static_cast<std::size_t>(i)]});
  }
  std::ranges::stable_sort(steps, {}, &ChainBackward::chain);
  run_chains_backward(steps.data(), count, rows, workspace);
}

std::int64_t layers_workspace(std::int32_t count, std::int64_t rows, std::int64_t inputs, std::int64_t outputs,
                              bool shares_dx) {
  const std::vector<LayerSize> sizes(static_cast<std::size_t>(count), {inputs, outputs});
  return chains_workspace(sizes.data(), count, rows, shares_dx ? 1 : count);
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

// Dense layers and additions that work on the same rows one after the other. Conventions: kernels/kernels.h.
// CPU: cpu/chain.cpp
#pragma once

#include <cstdint>

#include "kernels/families/linear.h"

namespace mal::kernels {

// One step: y = act(x w + b), or where w is null y = x + addend, of one width and without activation.
struct ChainForward {
  const float* x;
  std::int64_t ldx;
  const float* w;  // [K, N]; null: an addition
  const float* b;  // [N]; null: no bias
  const float* addend;
  std::int64_t ldaddend;
  float* y;
  std::int64_t ldy;
  std::int64_t inputs, outputs;  // K, N
  Activation activation;
  std::int32_t chain;  // from 0, never falling from one step to the next
};
// The same for gradients, the last step of a chain first. dy is the gradient of y and may be overwritten. dx and
// daddend may be null: nobody needs them. dw and db are overwritten.
struct ChainBackward {
  const float* x;
  std::int64_t ldx;
  const float* w;
  const float* y;
  std::int64_t ldy;
  float* dy;
  std::int64_t lddy;
  float* dx;
  std::int64_t lddx;
  bool accumulate;
  float* daddend;
  std::int64_t lddaddend;
  bool accumulate_addend;
  float* dw;
  float* db;
  std::int64_t inputs, outputs;
  Activation activation;
  std::int32_t chain;
};

// As if the steps ran one after the other. A step may read what an earlier one of its own chain wrote, in the same
// rows; what one chain writes no other chain reads or writes. So a device may run every chain, tile by tile of its
// rows, in one launch.
void chain_forward(const ChainForward* steps, std::int32_t count, std::int64_t rows);
void chain_backward(const ChainBackward* steps, std::int32_t count, std::int64_t rows, float* workspace);

struct LayerSize {
  std::int64_t inputs, outputs;
};
// sizes: of the steps that are layers.
std::int64_t chain_backward_workspace(const LayerSize* sizes, std::int32_t count, std::int64_t rows);

// Whether the device gains by taking such a layer as a step of a chain: the graph then joins what follows each other.
bool chains_layer(std::int64_t inputs, std::int64_t outputs);

}  // namespace mal::kernels

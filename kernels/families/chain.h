// Dense layers and additions that work on the same rows one after the other. Conventions: kernels/kernels.h.
// CPU: cpu/layers.h
#pragma once

#include <cstdint>

#include "kernels/families/linear.h"

namespace mal::kernels {

// One step: y = act(x w + b), or where w is null y = x + addend, of one width and without activation.
struct ChainForward {
  const float* x = nullptr;
  std::int64_t ldx = 0;
  const float* w = nullptr;  // [K, N]; null: an addition
  const float* b = nullptr;  // [N]; null: no bias
  const float* addend = nullptr;
  std::int64_t ldaddend = 0;
  float* y = nullptr;
  std::int64_t ldy = 0;
  std::int64_t inputs = 0, outputs = 0;  // K, N
  Activation activation = Activation::none;
  std::int32_t chain = 0;  // from 0, never falling from one step to the next
};
// The same for gradients, the last step of a chain first. dy is the gradient of y and may be overwritten. dx and
// daddend may be null: nobody needs them. dw and db are overwritten.
struct ChainBackward {
  const float* x = nullptr;
  std::int64_t ldx = 0;
  const float* w = nullptr;
  const float* y = nullptr;
  std::int64_t ldy = 0;
  float* dy = nullptr;
  std::int64_t lddy = 0;
  float* dx = nullptr;
  std::int64_t lddx = 0;
  bool accumulate = false;
  float* daddend = nullptr;
  std::int64_t lddaddend = 0;
  bool accumulate_addend = false;
  float* dw = nullptr;
  float* db = nullptr;
  std::int64_t inputs = 0, outputs = 0;
  Activation activation = Activation::none;
  std::int32_t chain = 0;
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

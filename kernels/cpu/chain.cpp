// Steps one after the other: on the CPU a call costs nothing that joining them would save.
#include <algorithm>

#include "kernels/kernels.h"

namespace mal::kernels {

void chain_forward(const ChainForward* steps, std::int32_t count, std::int64_t rows) {
  for (std::int32_t i = 0; i < count; ++i) {
    const ChainForward& s = steps[i];
    if (s.w == nullptr)
      add_forward(s.x, s.ldx, s.addend, s.ldaddend, s.y, s.ldy, rows, s.outputs);
    else
      linear_forward(s.x, s.ldx, s.w, s.b, s.y, s.ldy, rows, s.inputs, s.outputs, s.activation);
  }
}

void chain_backward(const ChainBackward* steps, std::int32_t count, std::int64_t rows, float* workspace) {
  for (std::int32_t i = 0; i < count; ++i) {
    const ChainBackward& s = steps[i];
    if (s.w == nullptr)
      add_backward(s.dy, s.lddy, s.dx, s.lddx, s.accumulate, s.daddend, s.lddaddend, s.accumulate_addend, rows,
                   s.outputs);
    else
      linear_backward(s.x, s.ldx, s.w, s.y, s.ldy, s.dy, s.lddy, s.dx, s.lddx, s.accumulate, s.dw, s.db, rows, s.inputs,
                      s.outputs, s.activation, workspace);
  }
}

std::int64_t chain_backward_workspace(const LayerSize* sizes, std::int32_t count, std::int64_t rows) {
  std::int64_t floats = 0;
  for (std::int32_t i = 0; i < count; ++i)
    floats = std::max(floats, linear_backward_workspace(rows, sizes[i].inputs, sizes[i].outputs));
  return floats;
}

bool chains_layer(std::int64_t, std::int64_t) {
  return false;
}

}  // namespace mal::kernels

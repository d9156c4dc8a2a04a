// Chains of dense layers and additions.
#include "kernels/cuda/support/launch.h"
#include "kernels/kernels.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

decltype(kernels::linear_forward) linear_forward;
decltype(kernels::linear_backward) linear_backward;
decltype(kernels::linear_backward_workspace) linear_backward_workspace;
decltype(kernels::add_forward) add_forward;
decltype(kernels::add_backward) add_backward;

void chain_forward(const ChainForward* steps, std::int32_t count, std::int64_t rows) {
  for (std::int32_t i = 0; i < count; ++i) {
    const ChainForward& s = steps[i];
    if (s.w == nullptr)
      MAL_CUDA_NAMESPACE::add_forward(s.x, s.ldx, s.addend, s.ldaddend, s.y, s.ldy, rows, s.outputs);
    else
      MAL_CUDA_NAMESPACE::linear_forward(s.x, s.ldx, s.w, s.b, s.y, s.ldy, rows, s.inputs, s.outputs, s.activation);
  }
}

void chain_backward(const ChainBackward* steps, std::int32_t count, std::int64_t rows, float* workspace) {
  for (std::int32_t i = 0; i < count; ++i) {
    const ChainBackward& s = steps[i];
    if (s.w == nullptr) {
      MAL_CUDA_NAMESPACE::add_backward(s.dy, s.lddy, s.dx, s.lddx, s.accumulate, s.daddend, s.lddaddend,
                                       s.accumulate_addend, rows, s.outputs);
      continue;
    }
    MAL_CUDA_NAMESPACE::linear_backward(s.x, s.ldx, s.w, s.y, s.ldy, s.dy, s.lddy, s.dx, s.lddx, s.accumulate, s.dw,
                                        s.db, rows, s.inputs, s.outputs, s.activation, workspace);
    // Sums that are left to the end of a pass still need it.
    workspace += MAL_CUDA_NAMESPACE::linear_backward_workspace(rows, s.inputs, s.outputs);
  }
}

std::int64_t chain_backward_workspace(const LayerSize* sizes, std::int32_t count, std::int64_t rows) {
  std::int64_t floats = 0;
  for (std::int32_t i = 0; i < count; ++i)
    floats += MAL_CUDA_NAMESPACE::linear_backward_workspace(rows, sizes[i].inputs, sizes[i].outputs);
  return floats;
}

bool chains_layer(std::int64_t inputs, std::int64_t outputs) {
  return inputs <= 256 && outputs <= 256 && inputs * outputs <= 160 * 128;
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

#include "kernels/cuda/support/launch.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

std::int32_t sparse_state_width(SparseRule rule, std::int32_t width, float momentum) {
  return kernels::sparse_state_width(rule, width, momentum);
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

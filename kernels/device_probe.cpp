#include "kernels/device_probe.h"

#include <stdexcept>

#ifdef MAL_HAVE_CUDA
#include "kernels/cuda/runtime/cuda_runtime.h"
#endif

namespace mal::kernels {

#ifdef MAL_HAVE_CUDA
CudaDevices probe_cuda_runtime();  // cuda/support/device_probe.cu
CudaDevices probe_cuda() {
  return probe_cuda_runtime();
}
CudaDevice open_cuda(int index, Precision precision) {
  set_cuda_precision(precision);
  return {&cuda_kernels(), cuda_runtime(index)};
}
#else
CudaDevices probe_cuda() {
  return {false, {}, "this build has no CUDA (MAL_CUDA=OFF, or nvcc was not found)"};
}
CudaDevice open_cuda(int, Precision) {
  throw std::runtime_error(probe_cuda().reason);
}
#endif

}  // namespace mal::kernels

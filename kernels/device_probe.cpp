#include "kernels/device_probe.h"

namespace mal::kernels {

#ifdef MAL_HAVE_CUDA
CudaDevices probe_cuda_runtime();  // cuda/support/device_probe.cu
CudaDevices probe_cuda() {
  return probe_cuda_runtime();
}
#else
CudaDevices probe_cuda() {
  return {false, {}, "this build has no CUDA (MAL_CUDA=OFF, or nvcc was not found)"};
}
#endif

}  // namespace mal::kernels

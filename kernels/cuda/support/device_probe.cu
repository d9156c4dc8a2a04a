#include "kernels/device_probe.h"

#include <cuda_runtime_api.h>

namespace mal::kernels {

CudaDevices probe_cuda_runtime() {
  CudaDevices devices;
  devices.compiled = true;
  int count = 0;
  if (const cudaError_t status = cudaGetDeviceCount(&count); status != cudaSuccess) {
    // CUDA says of a machine without any driver that its driver is too old.
    int driver = 0;
    const bool none =
        status == cudaErrorInsufficientDriver && cudaDriverGetVersion(&driver) == cudaSuccess && driver == 0;
    devices.reason = none ? "no NVIDIA driver is loaded" : cudaGetErrorString(status);
    return devices;
  }
  for (int device = 0; device < count; ++device) {
    cudaDeviceProp properties;
    if (cudaGetDeviceProperties(&properties, device) == cudaSuccess) devices.names.emplace_back(properties.name);
  }
  if (devices.names.empty()) devices.reason = "no CUDA device";
  return devices;
}

}  // namespace mal::kernels

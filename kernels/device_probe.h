// Which GPUs this process can use.
#pragma once

#include <string>
#include <vector>

namespace mal::kernels {

struct CudaDevices {
  bool compiled = false;           // this build has a CUDA side
  std::vector<std::string> names;  // one a usable device, in CUDA's order
  std::string reason;              // why there is none: "built without CUDA", or what the driver said
};

CudaDevices probe_cuda();

}  // namespace mal::kernels

// Which GPUs this process can use, and the way to one.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kernels/cuda/cuda_kernels.h"
#include "kernels/kernels.h"
#include "kernels/runtime.h"

namespace mal::kernels {

struct CudaDevices {
  bool compiled = false;           // this build has a CUDA side
  std::vector<std::string> names;  // one a usable device, in CUDA's order
  std::string reason;              // why there is none: "built without CUDA", or what the driver said
};

CudaDevices probe_cuda();

struct CudaDevice {
  const KernelTable* kernels;
  std::shared_ptr<Runtime> runtime;
};
// The index-th of probe_cuda().names, for the calling thread, whose matrix products have this precision from then on.
// Throws what CUDA says where there is none.
CudaDevice open_cuda(int index, Precision precision);

}  // namespace mal::kernels

// The GPU's memory and queues.
#pragma once

#include <memory>

#include "kernels/runtime.h"

namespace mal::kernels {

// Of CUDA's k-th device. The calling thread's kernels run in its compute queue from now on, until it is destroyed.
std::shared_ptr<Runtime> cuda_runtime(int device);

}  // namespace mal::kernels

// The GPU's memory and queues.
#pragma once

#include <memory>

#include "kernels/runtime.h"

namespace mal::kernels {

// Of CUDA's k-th device. The calling thread's kernels run in its compute queue from now on, until it is destroyed: a
// thread has one runtime at a time, and a second one is refused with a KernelError.
std::shared_ptr<Runtime> cuda_runtime(int device);

}  // namespace mal::kernels

// The two tables made of cuda/*.cu. The files are compiled twice: by nvcc for the GPU, and by the C++ compiler against
// the execution model in cuda/emulation/, which runs the same kernels on any machine.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace mal::kernels {

// A launch or a library call that failed, or a kernel that the emulation caught in a mistake: which kernel, its shape,
// and what is wrong.
class KernelError : public std::runtime_error {
 public:
  explicit KernelError(const std::string& message) : std::runtime_error(message) {}
};

// In the emulation; pointers are to the host's memory.
const KernelTable& emulated_kernels();
// Launches, library calls and copies of this thread since the program began: what would be nodes of a captured graph.
std::int64_t emulated_launches();
// Their names are appended to `names` from now on; null: no more.
void log_emulated_launches(std::vector<std::string>* names);
// Of the products that this thread asks for from now on.
void set_emulated_precision(Precision precision);

#ifdef MAL_HAVE_CUDA
// Runs on the current stream (support/stream.h) of the calling thread; pointers are to device memory.
const KernelTable& cuda_kernels();
std::int64_t cuda_launches();
void set_cuda_precision(Precision precision);
// Waits after every launch from now on, so that an error names the kernel that made it. For tests and debugging: it
// cannot be captured.
void wait_for_each_launch(bool wait);
#endif

}  // namespace mal::kernels

// Where kernels run. Chosen once at start; everything above sees only the kernel table and the runtime.
#pragma once

#include <string>
#include <string_view>

#include "engine/tensor.h"
#include "kernels/cuda/cuda_kernels.h"
#include "kernels/kernels.h"

namespace mal {

struct Device {
  std::string name;  // "cpu", or "cuda:0 (its name)"
  std::string note;  // one line for the user when `auto` could not take a GPU; else empty
  const kernels::KernelTable* kernels = nullptr;
  Memory memory;
  // Calls that need no other rows run over as many at a time, Graph's tiles; 0: over the whole batch.
  std::int64_t tile_rows = 0;
};

// choice: auto, cpu, cuda or cuda:k. threads: of the CPU kernels, 0 = all cores. precision: of a GPU's matrix products
// that this thread asks for; the CPU's are fp32. Throws Error (exit code 2) for an
// unknown choice, for cuda where this build or this machine cannot run it, and for a MAL_CPU that it lacks; auto falls
// back to the CPU and says why in `note`.
Device select_device(std::string_view choice, int threads, kernels::Precision precision = kernels::Precision::fp32);

// For logs, what the bits of a result depend on: "cpu (x86-64-v4)" (the number of threads is not among it); of a GPU
// its name.
std::string description(const Device& device);

}  // namespace mal

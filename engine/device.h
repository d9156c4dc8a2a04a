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
  std::string arithmetic;  // of the CPU: "x86-64-v4", "x86-64-v4, bf16 by AMX"; else empty
  // Calls that need no other rows run over as many at a time, Graph's tiles; 0: over the whole batch.
  std::int64_t tile_rows = 0;
};

// choice: auto, cpu, cuda or cuda:k. threads: of the CPU kernels, 0 = all cores. precision: of matrix products; of a
// GPU's, those that this thread asks for. Throws Error (exit code 2) for an unknown choice, for cuda where this build
// or this machine cannot run it, for a MAL_CPU that it lacks and for a precision that the CPU lacks; auto falls back to
// the CPU and says why in `note`.
Device select_device(std::string_view choice, int threads, kernels::Precision precision = kernels::Precision::fp32);

// The same for a model that is trained already: where the CPU lacks the precision it computes in fp32 and says so in
// `note`.
Device select_device_to_evaluate(std::string_view choice, int threads, kernels::Precision precision);

// For logs, what the bits of a result depend on: "cpu (x86-64-v4)", "cpu (x86-64-v4, bf16 by AMX)"; the number of
// threads is not among it. Of a GPU its name.
std::string description(const Device& device);

}  // namespace mal

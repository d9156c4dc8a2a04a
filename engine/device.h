// Where kernels run. Chosen once at start; everything above sees only the kernel table.
#pragma once

#include <string>
#include <string_view>

#include "kernels/kernels.h"

namespace mal {

struct Device {
  std::string name;  // "cpu"
  std::string note;  // one line for the user when `auto` could not take a GPU; else empty
  const kernels::KernelTable* kernels = nullptr;
};

// choice: auto, cpu, cuda or cuda:k. threads: of the CPU kernels, 0 = all cores. Throws Error (exit code 2) for an
// unknown choice, and for cuda where this build or this machine cannot run it; auto falls back to the CPU and says why
// in `note`.
Device select_device(std::string_view choice, int threads);

}  // namespace mal

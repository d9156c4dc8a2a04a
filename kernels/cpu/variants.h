// The CPU kernels once for each instruction set. Every file of this folder but parallel.cpp, runtime.cpp and
// variants.cpp is compiled several times (CMakeLists.txt), and each time makes one KernelTable, which is all that the
// rest of the program sees of it.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/kernels.h"

namespace mal::kernels {

struct CpuVariant {
  std::string name;                           // as MAL_CPU takes it: v2, v3, v4, or the one that MAL_MARCH asked for
  std::string instructions;                   // for people: "x86-64-v3", "-march=native", "aarch64"
  int level = 0;                              // of x86-64 that the processor must have; 0 where nothing is known
  const KernelTable* (*kernels)() = nullptr;  // only where the processor has the level
};

// A choice of CPU kernels that cannot be had; the text names what can.
class CpuError : public std::runtime_error {
 public:
  explicit CpuError(const std::string& message) : std::runtime_error(message) {}
};

// Those that this build has, from narrow to wide, and those of them that this processor can run.
const std::vector<CpuVariant>& built_cpu_variants();
std::vector<CpuVariant> usable_cpu_variants();

// The usable one of this name, the widest where it is empty. Throws CpuError.
CpuVariant choose_cpu_variant(std::string_view name);

// What cpu_kernels() is, chosen once a process: the widest, or the one that the environment variable MAL_CPU names.
// No two of them agree to the bit, v3 and v4 neither (v2 has no fused multiply-add; sums run over vectors of other
// widths): a cluster of unlike machines that needs the same bits sets MAL_CPU to what all of them have.
const CpuVariant& cpu_variant();

// The widest of x86-64-v2, -v3 and -v4 that processor and operating system have: 2, 3 or 4; else 1, or 0 on another
// architecture.
int x86_level();

}  // namespace mal::kernels

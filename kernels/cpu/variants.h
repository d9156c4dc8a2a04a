// The CPU kernels once for each instruction set. Every file of this folder but parallel.cpp, runtime.cpp and
// variants.cpp is compiled several times (CMakeLists.txt), and each time makes a KernelTable for each way to multiply,
// which is all that the rest of the program sees of it.
#pragma once

#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/kernels.h"

namespace mal::kernels {

// How dense layers are multiplied (bf16/). The emulated ones compute what the processor's instructions do, number by
// number, on any processor: for tests.
enum class CpuProducts : std::int32_t { fp32, bf16_dots, bf16_tiles, emulated_bf16_dots, emulated_bf16_tiles };
inline constexpr std::array kAllCpuProducts = {CpuProducts::fp32, CpuProducts::bf16_dots, CpuProducts::bf16_tiles,
                                               CpuProducts::emulated_bf16_dots, CpuProducts::emulated_bf16_tiles};

struct CpuVariant {
  std::string name;          // as MAL_CPU takes it: v2, v3, v4, or the one that MAL_MARCH asked for
  std::string instructions;  // for people: "x86-64-v3", "-march=native", "aarch64"
  int level = 0;             // of x86-64 that the processor must have; 0 where nothing is known
  // Only where the processor has the level. Null where the variant is not compiled with these products; see usable().
  const KernelTable* (*table)(CpuProducts) = nullptr;
  const KernelTable* kernels(CpuProducts products = CpuProducts::fp32) const { return table(products); }
};

// A choice of CPU kernels that cannot be had; the text names what can.
class CpuError : public std::runtime_error {
 public:
  explicit CpuError(const std::string& message) : std::runtime_error(message) {}
};

// A precision that they do not have.
class PrecisionError : public CpuError {
 public:
  using CpuError::CpuError;
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

// Whether this processor, and the variant, can multiply so.
bool usable(const CpuVariant& variant, CpuProducts products);
// The fastest of a precision. Throws PrecisionError where there is none.
CpuProducts products_of(const CpuVariant& variant, Precision precision);
// The instructions: "AMX" for bf16_tiles.
std::string_view name_of(CpuProducts products);

// The widest of x86-64-v2, -v3 and -v4 that processor and operating system have: 2, 3 or 4; else 1, or 0 on another
// architecture.
int x86_level();

}  // namespace mal::kernels

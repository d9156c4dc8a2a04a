#include "kernels/cpu/table.h"

#include "kernels/cpu/bf16/tables.h"
#include "kernels/cpu/layers.h"
#include "kernels/cpu/product.h"
#include "kernels/cpu/variants.h"

namespace mal::kernels {

// MAL_CPU_TABLE: mal_cpu_v3 where this is compiled for x86-64-v3, and so on (variants.h): the one symbol that is seen.
extern "C" const KernelTable* MAL_CPU_TABLE(CpuProducts products);

const KernelTable* MAL_CPU_TABLE(CpuProducts products) {
  static constexpr KernelTable kFp32 = table_with<Layers<Fp32Products>>();
  switch (products) {
    case CpuProducts::fp32:
      return &kFp32;
    case CpuProducts::bf16_dots:
      return bf16::dot_kernels();
    case CpuProducts::bf16_tiles:
      return bf16::tile_kernels();
    case CpuProducts::emulated_bf16_dots:
      return bf16::emulated_dot_kernels();
    case CpuProducts::emulated_bf16_tiles:
      return bf16::emulated_tile_kernels();
  }
  return nullptr;
}

}  // namespace mal::kernels

// All kernels of the CPU, with dense layers whose operands are bf16 and whose sums are fp32.
#pragma once

#include "kernels/kernels.h"

namespace mal::kernels::bf16 {

// Null where this is not compiled for such a processor.
const KernelTable* dot_kernels();   // with AVX512-BF16
const KernelTable* tile_kernels();  // with AMX, and AVX512-BF16 for rounding
// For any processor.
const KernelTable* emulated_dot_kernels();
const KernelTable* emulated_tile_kernels();

}  // namespace mal::kernels::bf16

#include "kernels/cpu/bf16/tables.h"

#if defined(__AVX512BF16__) && defined(__AVX512BW__)
#include "kernels/cpu/bf16/avx512.h"
#include "kernels/cpu/bf16/dots.h"
#include "kernels/cpu/layers.h"
#include "kernels/cpu/table.h"

namespace mal::kernels::bf16 {

const KernelTable* dot_kernels() {
  static constexpr KernelTable kKernels = table_with<Layers<Products<Dots<Avx512>>>>();
  return &kKernels;
}

}  // namespace mal::kernels::bf16
#else

namespace mal::kernels::bf16 {

const KernelTable* dot_kernels() {
  return nullptr;
}

}  // namespace mal::kernels::bf16
#endif

#include "kernels/cpu/bf16/emulated.h"

#include "kernels/cpu/bf16/dots.h"
#include "kernels/cpu/bf16/tables.h"
#include "kernels/cpu/bf16/tiles.h"
#include "kernels/cpu/layers.h"
#include "kernels/cpu/table.h"

namespace mal::kernels::bf16 {

const KernelTable* emulated_dot_kernels() {
  static constexpr KernelTable kKernels = table_with<Layers<Products<Dots<emulated::Numbers>>>>();
  return &kKernels;
}

const KernelTable* emulated_tile_kernels() {
  static constexpr KernelTable kKernels = table_with<Layers<Products<Tiles<emulated::Registers>>>>();
  return &kKernels;
}

}  // namespace mal::kernels::bf16

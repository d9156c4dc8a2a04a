// The CPU's kernels in bf16: the processor's own, where it has any, and the emulated ones, which every processor has.
#pragma once

#include <string>
#include <vector>

#include "kernels/cpu/variants.h"

namespace mal::test {

struct Bf16Kernels {
  std::string name;
  kernels::CpuProducts products;
  const kernels::KernelTable* table;
};

inline std::vector<Bf16Kernels> bf16_kernels_of(const kernels::CpuVariant& variant) {
  std::vector<Bf16Kernels> all;
  for (const kernels::CpuProducts products : kernels::kAllCpuProducts)
    if (products != kernels::CpuProducts::fp32 && kernels::usable(variant, products))
      all.push_back({"cpu, " + variant.instructions + ", bf16 by " + std::string(kernels::name_of(products)), products,
                     variant.kernels(products)});
  return all;
}

}  // namespace mal::test

// CUB's radix sort behind one function. The emulation has its own (emulation/sort.cpp).
#pragma once

#include "kernels/cuda/support/launch.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

struct SortPairs {
  const std::uint32_t* keys;
  std::uint32_t* sorted_keys;
  const std::uint32_t* values;
  std::uint32_t* sorted_values;
  std::int64_t count;
  int bits;  // of a key; those above are zero
};

// By rising keys; equal keys keep their order. temporary: sort_pairs_bytes of at least as many pairs.
void sort_pairs(const SortPairs& pairs, void* temporary, std::int64_t bytes);
std::int64_t sort_pairs_bytes(std::int64_t count);

// Nodes of a captured graph: two kernels and a clearing before the passes, a kernel and a clearing for each eight bits.
inline std::int64_t sort_nodes(int bits) {
  return 3 + 2 * ((bits + 7) / 8);
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

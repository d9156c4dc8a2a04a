// The twin of support/sort.cu.
#include "kernels/cuda/support/sort.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

namespace mal::kernels::MAL_CUDA_NAMESPACE {

void sort_pairs(const SortPairs& pairs, void* temporary, std::int64_t bytes) {
  if (bytes < sort_pairs_bytes(pairs.count))
    throw KernelError("sort_pairs: " + std::to_string(bytes) + " bytes for " + std::to_string(pairs.count) + " pairs");
  std::fill_n(static_cast<std::byte*>(temporary), bytes, std::byte{0xD5});  // CUB leaves nothing of what was there
  std::vector<std::uint32_t> order(static_cast<std::size_t>(pairs.count));
  std::iota(order.begin(), order.end(), 0U);
  std::ranges::stable_sort(order, [&](std::uint32_t a, std::uint32_t b) { return pairs.keys[a] < pairs.keys[b]; });
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::uint32_t key = pairs.keys[order[i]];
    if (pairs.bits < 32 && key >> pairs.bits != 0)
      throw KernelError("sort_pairs: key " + std::to_string(key) + " has more than " + std::to_string(pairs.bits) +
                        " bits");
    pairs.sorted_keys[i] = key;
    pairs.sorted_values[i] = pairs.values[order[i]];
  }
  finish_call("cub::DeviceRadixSort", cudaSuccess, sort_nodes(pairs.bits), pairs.count, pairs.bits);
}

std::int64_t sort_pairs_bytes(std::int64_t count) {
  return 256 + 8 * count;  // about what CUB asks for
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

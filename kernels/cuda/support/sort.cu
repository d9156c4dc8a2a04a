#include "kernels/cuda/support/sort.h"

#include <cub/device/device_radix_sort.cuh>

namespace mal::kernels::MAL_CUDA_NAMESPACE {

namespace {

cudaError_t radix_sort(const SortPairs& p, void* temporary, std::size_t& bytes) {
  return cub::DeviceRadixSort::SortPairs(temporary, bytes, p.keys, p.sorted_keys, p.values, p.sorted_values, p.count, 0,
                                         p.bits, current_stream());
}

}  // namespace

void sort_pairs(const SortPairs& pairs, void* temporary, std::int64_t bytes) {
  auto room = static_cast<std::size_t>(bytes);
  finish_call("cub::DeviceRadixSort", radix_sort(pairs, temporary, room), sort_nodes(pairs.bits), pairs.count,
              pairs.bits);
}

std::int64_t sort_pairs_bytes(std::int64_t count) {
  std::size_t bytes = 0;
  const SortPairs pairs{nullptr, nullptr, nullptr, nullptr, count, 32};
  finish_call("cub::DeviceRadixSort", radix_sort(pairs, nullptr, bytes), 0, count);
  return static_cast<std::int64_t>(bytes);
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

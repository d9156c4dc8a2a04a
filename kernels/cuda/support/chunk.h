// Several arrays in one launch: their descriptions travel in the kernel's parameters, each with the blocks of the grid
// that work on it. What does not fit into one launch's 4 KiB goes into another.
#pragma once

#include "kernels/cuda/support/launch.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

template <typename Item>
struct Chunk {
  static constexpr int kMost = static_cast<int>((kParameterBytes - 128) / (sizeof(Item) + sizeof(std::int32_t)));

  std::int32_t count = 0;
  std::int32_t first[kMost + 1] = {0};  // block of each item, and the end
  Item items[kMost];

  void add(const Item& item, std::int64_t blocks) {
    items[count] = item;
    first[count + 1] = first[count] + static_cast<std::int32_t>(blocks);
    ++count;
  }
  unsigned blocks() const { return static_cast<unsigned>(first[count]); }
};

// The item that a block works on.
template <typename Item>
__device__ int item_of(const Chunk<Item>& chunk, unsigned block) {
  int low = 0, high = chunk.count;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (static_cast<std::int32_t>(block) < chunk.first[middle])
      high = middle;
    else
      low = middle;
  }
  return low;
}

// start(chunk) for the items of 0 … count − 1 that have blocks, in as few chunks as hold them. add(i) → Item.
template <typename Item, typename Add, typename Blocks, typename Start>
void for_each_chunk(std::int32_t count, const Add& item, const Blocks& blocks, const Start& start) {
  Chunk<Item> chunk;
  for (std::int32_t i = 0; i < count; ++i) {
    if (blocks(i) == 0) continue;
    chunk.add(item(i), blocks(i));
    if (chunk.count < Chunk<Item>::kMost) continue;
    start(chunk);
    chunk = {};
  }
  if (chunk.count > 0) start(chunk);
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

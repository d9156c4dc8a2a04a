// A prefix sum over blocks in one launch. Blocks take numbers as they start, so those before a block are running or
// done; each leaves a word for those behind it, which look back over the words until one is complete (Merrill, Garland
// 2016). The sum may begin anew: then, too, nothing before matters. The whole message is one word, so no fence is
// needed.
#pragma once

#include "kernels/cuda/support/reduce.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

// A word: nothing yet (0), or a count below 2^30, and whether all that is before is in it or does not matter.
inline constexpr std::uint32_t kPresent = 1U << 31, kComplete = 1U << 30, kCount = kComplete - 1;

// What `left` and then `right` counted.
__device__ inline std::uint32_t joined(std::uint32_t left, std::uint32_t right) {
  return (right & kComplete) != 0 ? right : left + right;
}

// The number of a block: all smaller ones have been given out before. One thread of each block calls it.
__device__ inline std::uint32_t take_ticket(std::uint32_t* tickets) {
  return atomicAdd(tickets, 1U);
}

// The word at p once a block that has started earlier has stored it.
__device__ inline std::uint32_t wait_for_word(const std::uint32_t* p) {
  for (;;) {
#ifdef MAL_CUDA_EMULATION
    const std::uint32_t word = atomic_load(p);
    if (word == 0) throw KernelError("a block waits for a word of one that has not run");
#else
    std::uint32_t word;
    asm volatile("ld.relaxed.gpu.global.u32 %0, [%1];" : "=r"(word) : "l"(p) : "memory");
#endif
    if (word != 0) return word;
  }
}

// Leaves `mine` (a count, and perhaps kComplete) of block `index` for others. Returns the sum before the block. One
// whole warp calls it.
__device__ inline std::uint32_t look_back(std::uint32_t* words, std::uint32_t index, std::uint32_t mine) {
  constexpr unsigned kAll = 0xFFFFFFFFU;
  const std::uint32_t lane = threadIdx.x % 32;
  if (index == 0) mine |= kComplete;
  if (lane == 0) atomicExch(&words[index], kPresent | mine);
  std::uint32_t before = 0;
  for (std::uint32_t end = index; end > 0;) {
    const std::uint32_t word = lane < end ? wait_for_word(&words[end - 1 - lane]) : 0;
    const unsigned complete = __ballot_sync(kAll, (word & kComplete) != 0);
    const std::uint32_t last = complete == 0 ? 31 : static_cast<std::uint32_t>(__ffs(static_cast<int>(complete)) - 1);
    before += warp_sum(lane <= last ? word & kCount : 0U);
    if (complete != 0) break;
    end -= 32;  // block 0 is complete, so there are more
  }
  if (lane == 0 && (mine & kComplete) == 0) atomicExch(&words[index], kPresent | kComplete | (before + mine));
  return before;
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

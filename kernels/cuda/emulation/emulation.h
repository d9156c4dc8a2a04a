// Runs a grid: blocks one after the other, the threads of a block as fibers that change only where they wait (barriers
// and warp operations). So every mistake shows the same way in every run.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mal::emulation {

struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};

inline constexpr int warpSize = 32;
extern constinit thread_local uint3 threadIdx, blockIdx;
extern constinit thread_local dim3 blockDim, gridDim;

struct LaunchShape {
  const char* name;
  dim3 grid, block;
  std::size_t shared_bytes;
};

// thread(context) once for each thread. Throws KernelError that names the kernel, the block and the threads when a
// barrier is not reached by all of them, a warp operation lacks a lane, or the shape is none that a GPU takes.
void run_grid(const LaunchShape& shape, void (*thread)(const void* context), const void* context);

// The order in which blocks, and between two waits the threads of a block, take their turns. A kernel that lacks a
// barrier gives another result in one of them. For tests.
enum class ThreadOrder { forward, backward, random };
void set_thread_order(ThreadOrder order, std::uint64_t seed = 0);

// ---- shared memory (shared.cpp) -----------------------------------------------------------------------------------

// Filled with this at the start of each block: a NaN as float, a number that no test has as an integer.
inline constexpr std::uint32_t kPoison = 0x7FC0BAD5U;

// The running block's array of this key. Arrays stand alone, so that AddressSanitizer sees a step beyond either end; an
// array is aligned as its elements are and no better, so that a wider access is seen too.
void* static_shared(const void* key, std::size_t bytes, std::size_t alignment);
void* dynamic_shared_memory();

}  // namespace mal::emulation

// Runs a grid: blocks one after the other, the threads of a block as fibers that change only where they wait (barriers
// and warp operations). So every mistake shows the same way in every run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

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
  std::size_t shared_bytes;      // dynamic
  const void* kernel = nullptr;  // whose attributes apply
};

// thread(context) once for each thread. Throws KernelError that names the kernel, the block and the threads when a
// barrier is not reached by all of them, a warp operation lacks a lane, or the shape is none that a GPU takes.
void run_grid(const LaunchShape& shape, void (*thread)(const void* context), const void* context);

// While it lives this thread's launches are checked and counted, and nothing runs. For tests of what is launched.
class CountedLaunches {
 public:
  CountedLaunches();
  ~CountedLaunches();
  CountedLaunches(const CountedLaunches&) = delete;
  CountedLaunches& operator=(const CountedLaunches&) = delete;
};

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

// A block has the first without asking, static and dynamic memory together; more of dynamic memory is asked for with
// cudaFuncSetAttribute, up to the second for both together (sm_90; 163 KiB on sm_80).
inline constexpr std::size_t kFreeShared = std::size_t{48} << 10;
inline constexpr std::size_t kMostShared = std::size_t{227} << 10;

// cudaFuncAttributeMaxDynamicSharedMemorySize of a kernel, from now on.
void set_dynamic_shared(const void* kernel, std::size_t bytes);

// The launches of this thread while it lives, as if a stream captured them. check() throws where instantiating the
// graph would fail: a kernel may no longer have the dynamic shared memory of its launch.
class RecordedLaunches {
 public:
  RecordedLaunches();
  ~RecordedLaunches();
  RecordedLaunches(const RecordedLaunches&) = delete;
  RecordedLaunches& operator=(const RecordedLaunches&) = delete;
  void check() const;
  std::size_t size() const { return launches_.size(); }

 private:
  std::vector<LaunchShape> launches_;
};

}  // namespace mal::emulation

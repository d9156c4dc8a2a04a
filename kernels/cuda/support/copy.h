// Copies into shared memory that go on while the thread does other things (cp.async). The emulation makes them in
// wait(), so that a missing one shows.
#pragma once

#include "kernels/cuda/support/launch.h"

#ifdef MAL_CUDA_EMULATION
#include "kernels/cuda/emulation/copies.h"
#endif

namespace mal::kernels::MAL_CUDA_NAMESPACE {

// Of one thread: others see what it copied after its wait() and a barrier.
#ifndef MAL_CUDA_EMULATION
class Copies {
 public:
  // Both aligned to 16 bytes. Past the first-level cache: a block reads a tile once.
  __device__ void four(float* to, const float* from) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(address(to)), "l"(from) : "memory");
  }
  __device__ void one(float* to, const float* from) {
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(address(to)), "l"(from) : "memory");
  }
  // What was asked for since the last commit() belongs together.
  __device__ void commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
  __device__ void wait_but_last() { asm volatile("cp.async.wait_group 1;" ::: "memory"); }
  __device__ void wait() { asm volatile("cp.async.wait_all;" ::: "memory"); }

 private:
  __device__ static unsigned address(const float* shared) {
    return static_cast<unsigned>(__cvta_generic_to_shared(shared));
  }
};
#else
class Copies {
 public:
  Copies() { begin_copies(); }
  void four(float* to, const float* from) { copy_later(to, from, 4); }
  void one(float* to, const float* from) { copy_later(to, from, 1); }
  void commit() { commit_copies(); }
  void wait_but_last() { finish_copies(false); }
  void wait() { finish_copies(true); }
};
#endif

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

#include "kernels/cuda/emulation/copies.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "kernels/cuda/cuda_kernels.h"
#include "kernels/cuda/emulation/block.h"

namespace mal::emulation {

namespace {

struct Copy {
  float* to;
  const float* from;
  int floats;
};

struct Copies {
  std::vector<Copy> waiting;
  std::size_t committed = 0, last = 0;  // how many of them, and where the last commit's begin
};

// Of the running thread of a block.
Copies& mine() {
  static thread_local std::vector<Copies> of_block(1024);
  return of_block[threadIdx.x + std::size_t{blockDim.x} * (threadIdx.y + std::size_t{blockDim.y} * threadIdx.z)];
}

bool aligned(const void* address, std::size_t bytes) {
  return reinterpret_cast<std::uintptr_t>(address) % bytes == 0;
}

}  // namespace

void begin_copies() {
  mine() = {};
}

void copy_later(float* to, const float* from, int floats) {
  const std::size_t bytes = static_cast<std::size_t>(floats) * sizeof(float);
  if (!aligned(to, bytes) || !aligned(from, bytes))
    throw kernels::KernelError("a copy of " + std::to_string(bytes) + " bytes between misaligned addresses");
  mine().waiting.push_back({to, from, floats});
}

void commit_copies() {
  Copies& copies = mine();
  copies.last = copies.committed;
  copies.committed = copies.waiting.size();
}

void finish_copies(bool last_too) {
  Copies& copies = mine();
  const std::size_t count = last_too ? copies.waiting.size() : copies.last;
  for (std::size_t i = 0; i < count; ++i) {
    const Copy& copy = copies.waiting[i];
    const std::size_t bytes = static_cast<std::size_t>(copy.floats) * sizeof(float);
#ifndef __SANITIZE_ADDRESS__
    note_access(copy.from, bytes, false);
    note_access(copy.to, bytes, true);
#endif
    std::memcpy(copy.to, copy.from, bytes);
  }
  copies.waiting.erase(copies.waiting.begin(), copies.waiting.begin() + static_cast<std::ptrdiff_t>(count));
  copies.committed -= std::min(copies.committed, count);
  copies.last = 0;
}

}  // namespace mal::emulation

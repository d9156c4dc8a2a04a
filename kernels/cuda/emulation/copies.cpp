#include "kernels/cuda/emulation/copies.h"

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

// Of the running thread of a block.
std::vector<Copy>& mine() {
  static thread_local std::vector<std::vector<Copy>> of_block(1024);
  return of_block[threadIdx.x + std::size_t{blockDim.x} * (threadIdx.y + std::size_t{blockDim.y} * threadIdx.z)];
}

bool aligned(const void* address, std::size_t bytes) {
  return reinterpret_cast<std::uintptr_t>(address) % bytes == 0;
}

}  // namespace

void begin_copies() {
  mine().clear();
}

void copy_later(float* to, const float* from, int floats) {
  const std::size_t bytes = static_cast<std::size_t>(floats) * sizeof(float);
  if (!aligned(to, bytes) || !aligned(from, bytes))
    throw kernels::KernelError("a copy of " + std::to_string(bytes) + " bytes between misaligned addresses");
  mine().push_back({to, from, floats});
}

void finish_copies() {
  std::vector<Copy>& copies = mine();
  for (const Copy& copy : copies) {
    const std::size_t bytes = static_cast<std::size_t>(copy.floats) * sizeof(float);
#ifndef __SANITIZE_ADDRESS__
    note_access(copy.from, bytes, false);
    note_access(copy.to, bytes, true);
#endif
    std::memcpy(copy.to, copy.from, bytes);
  }
  copies.clear();
}

}  // namespace mal::emulation

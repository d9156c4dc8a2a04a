#include "kernels/cuda/emulation/shared.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>

#include "kernels/cuda/cuda_kernels.h"
#include "kernels/cuda/emulation/emulation.h"

namespace mal::emulation {

namespace {

constexpr std::size_t kVector = 16;  // the widest access

void poison(std::byte* start, std::size_t bytes) {
  std::size_t at = 0;
  for (; at + sizeof kPoison <= bytes; at += sizeof kPoison) std::memcpy(start + at, &kPoison, sizeof kPoison);
  std::memcpy(start + at, &kPoison, bytes - at);
}

}  // namespace

SharedMemory& shared_memory() {
  static thread_local SharedMemory memory;
  return memory;
}

// It ends where its memory does.
SharedMemory::Array SharedMemory::make(const void* key, std::size_t bytes, std::size_t alignment) {
  const std::size_t before = alignment % kVector;
  Array array{key, std::make_unique<std::byte[]>(before + bytes), nullptr, bytes};
  array.start = array.memory.get() + before;
  poison(array.start, bytes);
  return array;
}

void SharedMemory::begin_kernel(std::size_t dynamic_bytes) {
  arrays_.clear();
  static_bytes_ = 0;
  dynamic_ = make(nullptr, dynamic_bytes, kVector);
}

void SharedMemory::begin_block() {
  poison(dynamic_.start, dynamic_.bytes);
  for (const Array& array : arrays_) poison(array.start, array.bytes);
}

bool SharedMemory::holds(const void* address) const {
  const auto* at = static_cast<const std::byte*>(address);
  const auto in = [&](const Array& array) { return at >= array.start && at < array.start + array.bytes; };
  return in(dynamic_) || std::ranges::any_of(arrays_, in);
}

void* SharedMemory::array(const void* key, std::size_t bytes, std::size_t alignment) {
  const auto known = std::ranges::find(arrays_, key, &Array::key);
  if (known != arrays_.end()) return known->start;
  static_bytes_ += bytes;
  if (static_bytes_ > kMostStaticShared)
    throw kernels::KernelError("more than " + std::to_string(kMostStaticShared) +
                               " bytes of static shared memory: use dynamic_shared");
  arrays_.push_back(make(key, bytes, alignment));
  return arrays_.back().start;
}

void* static_shared(const void* key, std::size_t bytes, std::size_t alignment) {
  return shared_memory().array(key, bytes, alignment);
}

void* dynamic_shared_memory() {
  return shared_memory().dynamic();
}

}  // namespace mal::emulation

#include "tests/support/allocations.h"

#include <cstdlib>
#include <new>

namespace mal::test {

std::atomic<long> allocations{0};
std::atomic<long> allocations_left{-1};

namespace {

void* allocate(std::size_t size, std::size_t alignment = 0) {
  ++allocations;
  if (allocations_left.load() == 0) throw std::bad_alloc();
  if (allocations_left.load() > 0) --allocations_left;
  void* memory = alignment == 0 ? std::malloc(size > 0 ? size : 1)
                                : std::aligned_alloc(alignment, (size + alignment) / alignment * alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

}  // namespace mal::test

void* operator new(std::size_t size) {
  return mal::test::allocate(size);
}
void* operator new[](std::size_t size) {
  return mal::test::allocate(size);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  return mal::test::allocate(size, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  ++mal::test::allocations;
  return std::malloc(size > 0 ? size : 1);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  ++mal::test::allocations;
  return std::malloc(size > 0 ? size : 1);
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete[](void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}

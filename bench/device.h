// The device whose kernels are measured now, memory on it, and time.
#pragma once

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace mal::bench {

// Of the device at hand, a second, of all threads together. `flops`: fp32 multiply-adds, two a multiply-add; on the CPU
// in registers with the widest instructions that it has, on a GPU those of a large matrix product. `bytes`: between
// arrays far larger than the caches, read and written both counted; on the CPU the fastest of copying, copying past the
// caches, updating in place and reading, on a GPU of copying.
// `bf16_flops`: of the CPU's dot products or tiles, whichever are faster; 0 where it has none.
struct Ceiling {
  double flops;
  double bytes;
  double bf16_flops = 0;
};

struct Device {
  std::string name;  // "cpu", "cuda"
  const kernels::KernelTable* kernels;
  Ceiling ceiling;
  std::string ceilings;                                // all that were measured, a line each
  const kernels::KernelTable* bf16_kernels = nullptr;  // of a CPU that has bf16
};
const Device& device();

inline const kernels::KernelTable& device_kernels() {
  return *device().kernels;
}

// On the device at hand; to and from the host's memory.
void* allocate(std::size_t bytes);
void release(void* memory);
void upload(void* to, const void* from, std::size_t bytes);
void download(void* to, const void* from, std::size_t bytes);

// An array in the device's memory, from the host's numbers or of zeros.
template <typename T>
class Buffer {
 public:
  explicit Buffer(std::size_t size) : Buffer(std::vector<T>(size)) {}
  explicit Buffer(const std::vector<T>& values)
      : size_(values.size()), memory_(allocate(values.size() * sizeof(T)), release) {
    upload(memory_.get(), values.data(), size_ * sizeof(T));
  }
  T* data() { return static_cast<T*>(memory_.get()); }
  const T* data() const { return static_cast<const T*>(memory_.get()); }
  std::size_t size() const { return size_; }
  T first() const {
    T value;
    download(&value, memory_.get(), sizeof value);
    return value;
  }

 private:
  std::size_t size_;
  std::unique_ptr<void, void (*)(void*)> memory_;
};

template <typename T>
Buffer<T> workspace_of(std::int64_t size) {
  return Buffer<T>(static_cast<std::size_t>(size));
}

std::vector<float> random_values(std::int64_t size);

inline Buffer<float> random_floats(std::int64_t size) {
  return Buffer<float>(random_values(size));
}

inline Buffer<std::int32_t> random_ids(std::int64_t size, std::int64_t below) {
  std::vector<std::int32_t> ids(static_cast<std::size_t>(size));
  std::mt19937_64 engine;
  for (std::int32_t& id : ids) id = static_cast<std::int32_t>(engine() % static_cast<std::uint64_t>(below));
  return Buffer<std::int32_t>(ids);
}

// Every row has all `length` positions.
inline Buffer<std::int32_t> full_lengths(std::int64_t rows, std::int64_t length) {
  return Buffer<std::int32_t>(
      std::vector<std::int32_t>(static_cast<std::size_t>(rows), static_cast<std::int32_t>(length)));
}

// Runs the iterations; how long they took altogether, in seconds. On a GPU they are replayed from a captured graph, as
// a training step is: what a launch costs the host is not in it.
double timed(benchmark::State& state, const std::function<void()>& body);

}  // namespace mal::bench

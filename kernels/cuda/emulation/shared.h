// Shared memory of the block that runs.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "kernels/cuda/emulation/emulation.h"

namespace mal::emulation {

class SharedMemory {
 public:
  void begin_kernel(const LaunchShape& shape);
  void begin_block();  // everything is poisoned anew
  void* array(const void* key, std::size_t bytes, std::size_t alignment);
  void* dynamic() { return dynamic_.start; }
  bool holds(const void* address) const;

 private:
  struct Array {
    const void* key = nullptr;
    std::unique_ptr<std::byte[]> memory;
    std::byte* start = nullptr;
    std::size_t bytes = 0;
  };
  void check_size() const;  // throws where CUDA refuses
  static Array make(const void* key, std::size_t bytes, std::size_t alignment);

  Array dynamic_;
  std::vector<Array> arrays_;
  std::size_t static_bytes_ = 0;
  const char* kernel_name_ = "";
  std::optional<std::size_t> allowed_;  // dynamic bytes that were asked for
};

SharedMemory& shared_memory();  // of this thread

}  // namespace mal::emulation

// Shared memory of the block that runs.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace mal::emulation {

class SharedMemory {
 public:
  void begin_kernel(std::size_t dynamic_bytes);
  void begin_block();  // everything is poisoned anew
  void* array(const void* key, std::size_t bytes, std::size_t alignment);
  void* dynamic() { return dynamic_.start; }
  bool holds(const void* address) const;
  std::size_t static_bytes() const { return static_bytes_; }

 private:
  struct Array {
    const void* key = nullptr;
    std::unique_ptr<std::byte[]> memory;
    std::byte* start = nullptr;
    std::size_t bytes = 0;
  };
  static Array make(const void* key, std::size_t bytes, std::size_t alignment);

  Array dynamic_;
  std::vector<Array> arrays_;
  std::size_t static_bytes_ = 0;
};

inline constexpr std::size_t kMostStaticShared = std::size_t{48} << 10;
inline constexpr std::size_t kMostShared = std::size_t{227} << 10;  // a block on sm_90; 163 KiB on sm_80

SharedMemory& shared_memory();  // of this thread

}  // namespace mal::emulation

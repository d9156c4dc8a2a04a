// A file in memory with a path, for readers that open files.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <string>

namespace mal::fuzz {

class MemoryFile {
 public:
  MemoryFile() : descriptor_(::memfd_create("fuzz", 0)), path_("/proc/self/fd/" + std::to_string(descriptor_)) {
    if (descriptor_ < 0) std::abort();
  }
  const std::string& path() const { return path_; }
  void set(const void* data, std::size_t bytes) const {
    const auto size = static_cast<off_t>(bytes);  // written before it is cut: its pages stay
    if (::pwrite(descriptor_, data, bytes, 0) != size || ::ftruncate(descriptor_, size) != 0) std::abort();
  }

 private:
  int descriptor_;
  std::string path_;
};

}  // namespace mal::fuzz

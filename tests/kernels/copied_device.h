// A device that cannot reach the memory of the tests' vectors, as a GPU cannot reach plain memory of the host. The
// vectors lie in arenas of the host, each of which has a twin of plain memory of the device (cudaMalloc, as where a
// model is trained; managed or mapped memory would move pages about, and libraries need not like it). A call of the
// device's KernelTable goes through here: what is in use of the arenas is copied to the twins, pointers are changed for
// those of the twins, and when the kernels are done everything is copied back. So the tests read and write vectors as
// they like, and a pointer that does not point into a vector is refused by name instead of failing on the device.
#pragma once

#include <cstddef>
#include <set>
#include <string>

#include "kernels/kernels.h"
#include "tests/kernels/guarded_pool.h"

namespace mal::test {

// The memory that a device has beside the host's.
struct DeviceMemory {
  std::byte* (*make_host)(std::size_t bytes);    // fast to copy, aligned to 256; null: none left
  std::byte* (*make_device)(std::size_t bytes);  // as the host's
  void (*copy)(void* to, const void* from, std::size_t bytes);
};
DeviceMemory emulated_memory();
#ifdef MAL_HAVE_CUDA
DeviceMemory cuda_memory();
#endif

// From now on, for this process: once, before the first vector is made.
void use_copied_device(const kernels::KernelTable& kernels, const DeviceMemory& memory);
// Null before that.
const kernels::KernelTable* copied_kernels();
GuardedPool& copied_pool();
// Of the entry at this position in the KernelTable, from 0.
std::string entry_name(std::size_t entry);
// Positions of what has been called of copied_kernels().
std::set<std::size_t>& called_entries();

}  // namespace mal::test

// The only threading of the CPU kernels: a fixed number of blocks, taken by threads in any order.
#pragma once

#include <algorithm>
#include <cstdint>

namespace mal::kernels {

// body(context, block) once for every block in [0, count), on this thread and the pool's. Rethrows what a body threw.
// Called from several threads at once, or from inside a body, the later call runs its blocks alone.
void run_blocks(std::int64_t count, void (*body)(const void* context, std::int64_t block), const void* context);

// body(block) for every block in [0, count). What a block is must not depend on the number of threads.
template <typename Body>
void parallel_blocks(std::int64_t count, const Body& body) {
  run_blocks(
      count, [](const void* context, std::int64_t block) { (*static_cast<const Body*>(context))(block); }, &body);
}

// body(first, last) for consecutive ranges of `size` rows.
template <typename Body>
void parallel_ranges(std::int64_t rows, std::int64_t size, const Body& body) {
  parallel_blocks((rows + size - 1) / size,
                  [&](std::int64_t block) { body(block * size, std::min(rows, (block + 1) * size)); });
}

}  // namespace mal::kernels

// The only threading of the CPU kernels: a fixed number of blocks, taken by threads in any order.
#pragma once

#include <algorithm>
#include <cstdint>

namespace mal::kernels {

// body(block) for every block in [0, count). What a block is must not depend on the number of threads.
template <typename Body>
void parallel_blocks(std::int64_t count, const Body& body) {
#pragma omp parallel for schedule(dynamic, 1) if (count > 1)
  for (std::int64_t block = 0; block < count; ++block) body(block);
}

// body(first, last) for consecutive ranges of `size` rows.
template <typename Body>
void parallel_ranges(std::int64_t rows, std::int64_t size, const Body& body) {
  parallel_blocks((rows + size - 1) / size,
                  [&](std::int64_t block) { body(block * size, std::min(rows, (block + 1) * size)); });
}

}  // namespace mal::kernels

#include "engine/tensor.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <utility>

#include "engine/error.h"

namespace mal {

namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kHugePage = std::size_t{2} << 20;

std::int64_t checked_size(const std::vector<std::int64_t>& shape) {
  std::int64_t size = 1;
  for (const std::int64_t extent : shape)
    if (extent < 0 || __builtin_mul_overflow(size, extent, &size)) fail("a tensor's shape is negative or too large");
  return size;
}

}  // namespace

void Buffer::Free::operator()(void* pointer) const {
  std::free(pointer);
}

Buffer::Buffer(std::size_t bytes) : size_(bytes) {
  if (bytes == 0) return;
  const std::size_t alignment = bytes >= 4 * kHugePage ? kHugePage : kAlignment;
  const std::size_t padded = (bytes + alignment - 1) / alignment * alignment;
  data_.reset(std::aligned_alloc(alignment, padded));
  if (!data_)
    fail("out of memory: {:.1f} MiB could not be allocated; use a smaller batch or smaller tables",
         static_cast<double>(bytes) / (1 << 20));
  // Row gathers from a table of gigabytes are bound by TLB misses: huge pages halve their time.
  if (alignment == kHugePage) madvise(data_.get(), padded, MADV_HUGEPAGE);
  std::memset(data_.get(), 0, padded);
}

Tensor::Tensor(std::vector<std::int64_t> shape)
    : shape_(std::move(shape)), size_(checked_size(shape_)), buffer_(static_cast<std::size_t>(size_) * sizeof(float)) {}

}  // namespace mal

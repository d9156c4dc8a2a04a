#include "engine/tensor.h"

#include <algorithm>
#include <utility>

#include "engine/error.h"

namespace mal {

namespace {

constexpr std::size_t kPiece = std::size_t{8} << 20;

std::int64_t checked_size(const std::vector<std::int64_t>& shape) {
  std::int64_t size = 1;
  for (const std::int64_t extent : shape)
    if (extent < 0 || __builtin_mul_overflow(size, extent, &size)) fail("a tensor's shape is negative or too large");
  return size;
}

[[noreturn]] void out_of_memory(const kernels::Runtime& runtime, const char* where, std::size_t bytes,
                                const Purpose& purpose) {
  const std::string left = runtime.memory_left();
  fail("out of {}: {:.1f} MiB for {} could not be allocated{}; {}", where, static_cast<double>(bytes) / (1 << 20),
       purpose.what, left.empty() ? "" : " (" + left + ")", purpose.remedy);
}

const char* memory_name(const kernels::Runtime& runtime) {
  return runtime.reaches_host() ? "memory" : "device memory";
}

}  // namespace

Buffer::Buffer(Memory memory, std::size_t bytes, const Purpose& purpose)
    : data_(nullptr, Release{std::move(memory)}), size_(bytes) {
  if (bytes == 0) return;
  kernels::Runtime& runtime = *data_.get_deleter().memory;
  data_.reset(runtime.allocate(bytes));
  if (!data_) out_of_memory(runtime, memory_name(runtime), bytes, purpose);
}

void Buffer::upload(const void* from, std::size_t bytes, std::size_t offset) {
  if (bytes == 0) return;
  kernels::Runtime& runtime = *data_.get_deleter().memory;
  runtime.copy(as<std::byte>() + offset, from, bytes, kernels::Queue::compute);
  runtime.wait_for(kernels::Queue::compute);
}

void Buffer::download(void* to, std::size_t bytes, std::size_t offset) const {
  if (bytes == 0) return;
  kernels::Runtime& runtime = *data_.get_deleter().memory;
  runtime.copy(to, as<std::byte>() + offset, bytes, kernels::Queue::compute);
  runtime.wait_for(kernels::Queue::compute);
}

void Buffer::read(std::size_t unit, const Reader& body) const {
  const std::size_t units = size_ / unit;
  if (units == 0) return;
  if (data_.get_deleter().memory->reaches_host()) return body(0, static_cast<std::int64_t>(units), as<std::byte>());
  const std::size_t most = std::max<std::size_t>(1, kPiece / unit);
  std::vector<std::byte> piece(std::min(most, units) * unit);
  for (std::size_t first = 0; first < units; first += most) {
    const std::size_t count = std::min(most, units - first);
    download(piece.data(), count * unit, first * unit);
    body(static_cast<std::int64_t>(first), static_cast<std::int64_t>(count), piece.data());
  }
}

void Buffer::edit(std::size_t unit, const Editor& body) {
  const bool reached = size_ > 0 && data_.get_deleter().memory->reaches_host();
  read(unit, [&](std::int64_t first, std::int64_t count, const std::byte* data) {
    auto* const writable = const_cast<std::byte*>(data);  // this buffer's own memory, or read()'s copy
    body(first, count, writable);
    if (!reached) upload(writable, static_cast<std::size_t>(count) * unit, static_cast<std::size_t>(first) * unit);
  });
}

PinnedBuffer::PinnedBuffer(Memory memory, std::size_t bytes, const Purpose& purpose)
    : data_(nullptr, Release{std::move(memory)}) {
  if (bytes == 0) return;
  kernels::Runtime& runtime = *data_.get_deleter().memory;
  data_.reset(runtime.allocate_pinned(bytes));
  if (!data_) out_of_memory(runtime, "pinned host memory", bytes, purpose);
}

Tensor::Tensor(const Memory& memory, std::vector<std::int64_t> shape, const Purpose& purpose)
    : shape_(std::move(shape)),
      size_(checked_size(shape_)),
      buffer_(memory, static_cast<std::size_t>(size_) * sizeof(float), purpose) {}

std::vector<float> Tensor::read() const {
  std::vector<float> values(static_cast<std::size_t>(size_));
  buffer_.download(values.data(), values.size() * sizeof(float));
  return values;
}

}  // namespace mal

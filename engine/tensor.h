// Owned, aligned, zero-initialised memory of a device, with a shape.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "kernels/runtime.h"

namespace mal {

using Memory = std::shared_ptr<kernels::Runtime>;

// For the message when there is not enough: "the table user"; "lower model.embedding_dim".
struct Purpose {
  std::string_view what = "a buffer";
  std::string_view remedy = "use a smaller batch or smaller tables";
};

// Raw memory of a device. data() may be read and written by the host only where Runtime::reaches_host().
class Buffer {
 public:
  Buffer() = default;
  // Zeros; throws Error that says how much was asked for, for what, and what to do.
  Buffer(Memory memory, std::size_t bytes, const Purpose& purpose = {});
  void* data() const { return data_.get(); }
  template <typename T>
  T* as() const {
    return static_cast<T*>(data_.get());
  }
  std::size_t size() const { return size_; }

  // Copies that wait: afterwards `from` may be changed, and `to` is there.
  void upload(const void* from, std::size_t bytes, std::size_t offset = 0);
  void download(void* to, std::size_t bytes, std::size_t offset = 0) const;

  // body(first, count, bytes of these units) over consecutive units of `unit` bytes: the memory itself where the host
  // reaches it, else a copy of some MiB at a time. What edit()'s body writes is put back.
  using Reader = std::function<void(std::int64_t first, std::int64_t count, const std::byte* data)>;
  using Editor = std::function<void(std::int64_t first, std::int64_t count, std::byte* data)>;
  void read(std::size_t unit, const Reader& body) const;
  void edit(std::size_t unit, const Editor& body);

 private:
  struct Release {
    Memory memory;
    void operator()(void* pointer) const { memory->release(pointer); }
  };
  std::unique_ptr<void, Release> data_;
  std::size_t size_ = 0;
};

// Memory of the host that the device copies from and to while the host goes on.
class PinnedBuffer {
 public:
  PinnedBuffer() = default;
  PinnedBuffer(Memory memory, std::size_t bytes, const Purpose& purpose = {});
  template <typename T = std::byte>
  T* as() const {
    return static_cast<T*>(data_.get());
  }

 private:
  struct Release {
    Memory memory;
    void operator()(void* pointer) const { memory->release_pinned(pointer); }
  };
  std::unique_ptr<void, Release> data_;
};

// fp32, row-major, contiguous, in a device's memory.
class Tensor {
 public:
  Tensor() = default;
  Tensor(const Memory& memory, std::vector<std::int64_t> shape, const Purpose& purpose = {});  // zeros
  const std::vector<std::int64_t>& shape() const { return shape_; }
  std::int64_t size() const { return size_; }
  float* data() { return buffer_.as<float>(); }
  const float* data() const { return buffer_.as<float>(); }
  // As data(): of the host only where Runtime::reaches_host().
  std::span<float> span() { return {data(), static_cast<std::size_t>(size_)}; }
  std::span<const float> span() const { return {data(), static_cast<std::size_t>(size_)}; }

  void write(std::span<const float> values) { buffer_.upload(values.data(), values.size_bytes()); }
  std::vector<float> read() const;
  const Buffer& buffer() const { return buffer_; }
  Buffer& buffer() { return buffer_; }

 private:
  std::vector<std::int64_t> shape_;
  std::int64_t size_ = 0;
  Buffer buffer_;
};

}  // namespace mal

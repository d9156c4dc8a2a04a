// Owned, aligned, zero-initialised memory with a shape.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace mal {

// Raw memory: 64-byte aligned; large blocks on huge pages where the system has them.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t bytes);  // zeros; throws Error that says how much was asked for
  void* data() const { return data_.get(); }
  std::size_t size() const { return size_; }

 private:
  struct Free {
    void operator()(void* pointer) const;
  };
  std::unique_ptr<void, Free> data_;
  std::size_t size_ = 0;
};

// fp32, row-major, contiguous.
class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(std::vector<std::int64_t> shape);  // zeros
  const std::vector<std::int64_t>& shape() const { return shape_; }
  std::int64_t size() const { return size_; }
  float* data() { return static_cast<float*>(buffer_.data()); }
  const float* data() const { return static_cast<const float*>(buffer_.data()); }
  std::span<float> span() { return {data(), static_cast<std::size_t>(size_)}; }
  std::span<const float> span() const { return {data(), static_cast<std::size_t>(size_)}; }

 private:
  std::vector<std::int64_t> shape_;
  std::int64_t size_ = 0;
  Buffer buffer_;
};

}  // namespace mal

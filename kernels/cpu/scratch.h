// Memory of a thread that grows to what the largest call needed and then stays: kernels allocate nothing in a step.
#pragma once

#include <cstdint>
#include <new>
#include <vector>

namespace mal::kernels {

// This thread's list for one purpose, which an empty struct of the caller names: empty, and valid until the thread asks
// for it again.
template <typename Purpose, typename T>
std::vector<T>& thread_list() {
  static thread_local std::vector<T> list;
  list.clear();
  return list;
}
// The same as `size` floats, which hold whatever was there.
template <typename Purpose>
float* thread_floats(std::int64_t size) {
  static thread_local std::vector<float> floats;
  if (floats.size() < static_cast<std::size_t>(size)) floats.resize(static_cast<std::size_t>(size));
  return floats.data();
}

class Scratch {
 public:
  Scratch() = default;
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { release(); }

  // Forgets all pieces and has room for pieces of `floats` in sum, each counted by rounded().
  void reset(std::int64_t floats) {
    used_ = 0;
    if (floats <= size_) return;
    release();
    memory_ = static_cast<float*>(::operator new(static_cast<std::size_t>(floats) * sizeof(float), kAlignment));
    for (std::int64_t i = 0; i < floats; ++i) memory_[i] = 0;
    size_ = floats;
  }
  // Aligned to a cache line; holds whatever was there.
  float* take(std::int64_t floats) {
    float* const piece = memory_ + used_;
    used_ += rounded(floats);
    return piece;
  }
  static std::int64_t rounded(std::int64_t floats) { return (floats + kLine - 1) / kLine * kLine; }

 private:
  static constexpr std::int64_t kLine = 16;
  static constexpr std::align_val_t kAlignment{64};

  void release() {
    if (memory_ != nullptr) ::operator delete(memory_, kAlignment);
    memory_ = nullptr;
    size_ = 0;
  }

  float* memory_ = nullptr;
  std::int64_t size_ = 0, used_ = 0;
};

}  // namespace mal::kernels

#include "kernels/cuda/emulation/shared.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <mutex>
#include <string>

#include "kernels/cuda/cuda_kernels.h"
#include "kernels/cuda/emulation/emulation.h"

namespace mal::emulation {

namespace {

constexpr std::size_t kVector = 16;  // the widest access

void poison(std::byte* start, std::size_t bytes) {
  std::size_t at = 0;
  for (; at + sizeof kPoison <= bytes; at += sizeof kPoison) std::memcpy(start + at, &kPoison, sizeof kPoison);
  std::memcpy(start + at, &kPoison, bytes - at);
}

// Of the process, as the attributes of CUDA's functions are.
struct Attributes {
  std::mutex mutex;
  std::map<const void*, std::size_t> dynamic;
};
Attributes& attributes() {
  static Attributes of_process;
  return of_process;
}
std::optional<std::size_t> allowed_dynamic(const void* kernel) {
  Attributes& all = attributes();
  const std::scoped_lock lock(all.mutex);
  const auto found = all.dynamic.find(kernel);
  return found == all.dynamic.end() ? std::nullopt : std::optional(found->second);
}

thread_local std::vector<LaunchShape>* recorded = nullptr;

}  // namespace

void set_dynamic_shared(const void* kernel, std::size_t bytes) {
  Attributes& all = attributes();
  const std::scoped_lock lock(all.mutex);
  all.dynamic[kernel] = bytes;
}

RecordedLaunches::RecordedLaunches() {
  recorded = &launches_;
}
RecordedLaunches::~RecordedLaunches() {
  recorded = nullptr;
}
void RecordedLaunches::check() const {
  for (const LaunchShape& launch : launches_)
    if (const auto most = allowed_dynamic(launch.kernel); most && *most < launch.shared_bytes)
      throw kernels::KernelError(
          std::string("kernel ") + launch.name + ": recorded with " + std::to_string(launch.shared_bytes) +
          " bytes of dynamic shared memory, of which only " + std::to_string(*most) + " are still allowed");
}

SharedMemory& shared_memory() {
  static thread_local SharedMemory memory;
  return memory;
}

// It ends where its memory does.
SharedMemory::Array SharedMemory::make(const void* key, std::size_t bytes, std::size_t alignment) {
  const std::size_t before = alignment % kVector;
  Array array{key, std::make_unique<std::byte[]>(before + bytes), nullptr, bytes};
  array.start = array.memory.get() + before;
  poison(array.start, bytes);
  return array;
}

void SharedMemory::begin_kernel(const LaunchShape& shape) {
  arrays_.clear();
  static_bytes_ = 0;
  kernel_name_ = shape.name;
  allowed_ = allowed_dynamic(shape.kernel);
  if (recorded != nullptr) recorded->push_back(shape);
  dynamic_ = make(nullptr, shape.shared_bytes, kVector);
  check_size();
}

// CUDA knows a kernel's static arrays before it starts, the emulation as they are first used.
void SharedMemory::check_size() const {
  std::string wrong;
  if (static_bytes_ > kFreeShared)
    wrong = "more than " + std::to_string(kFreeShared) + " bytes of static shared memory: use dynamic_shared";
  else if (static_bytes_ + dynamic_.bytes > kMostShared)
    wrong = "no GPU has " + std::to_string(static_bytes_) + " bytes of static and " + std::to_string(dynamic_.bytes) +
            " of dynamic shared memory";
  else if (const std::size_t most = allowed_.value_or(kFreeShared - static_bytes_); dynamic_.bytes > most)
    wrong = std::to_string(dynamic_.bytes) + " bytes of dynamic shared memory, but " + std::to_string(most) +
            " are allowed beside " + std::to_string(static_bytes_) + " of static";
  if (!wrong.empty()) throw kernels::KernelError(std::string("kernel ") + kernel_name_ + ": " + wrong);
}

void SharedMemory::begin_block() {
  poison(dynamic_.start, dynamic_.bytes);
  for (const Array& array : arrays_) poison(array.start, array.bytes);
}

bool SharedMemory::holds(const void* address) const {
  const auto* at = static_cast<const std::byte*>(address);
  const auto in = [&](const Array& array) { return at >= array.start && at < array.start + array.bytes; };
  return in(dynamic_) || std::ranges::any_of(arrays_, in);
}

void* SharedMemory::array(const void* key, std::size_t bytes, std::size_t alignment) {
  const auto known = std::ranges::find(arrays_, key, &Array::key);
  if (known != arrays_.end()) return known->start;
  static_bytes_ += bytes;
  check_size();
  arrays_.push_back(make(key, bytes, alignment));
  return arrays_.back().start;
}

void* static_shared(const void* key, std::size_t bytes, std::size_t alignment) {
  return shared_memory().array(key, bytes, alignment);
}

void* dynamic_shared_memory() {
  return shared_memory().dynamic();
}

}  // namespace mal::emulation

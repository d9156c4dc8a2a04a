// A GPU for tests: the CUDA kernels in emulation, and a runtime that is as late as a real one can be. Uploads happen
// when something waits for them, and what is copied to the host arrives when the host waits: code that forgets to wait
// finds old numbers. Copies of the two queues that nothing orders are an error (queue_order.h), and so is what CUDA
// would not record or replay: launches in another stream, kernels whose shared memory was lowered in between.
#pragma once

#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "engine/device.h"
#include "kernels/cuda/cuda_kernels.h"
#include "kernels/cuda/support/stream.h"
#include "tests/device/queue_order.h"

namespace mal::test {

class EmulatedRuntime final : public kernels::Runtime {
 public:
  ~EmulatedRuntime() override {
    for (const auto& [memory, bytes] : device_) std::free(memory);
    for (const auto& [memory, bytes] : pinned_) std::free(memory);
  }

  void* allocate(std::size_t bytes) override { return make(device_, bytes); }
  void release(void* memory) noexcept override { drop(device_, memory); }
  void* allocate_pinned(std::size_t bytes) override { return make(pinned_, bytes); }
  void release_pinned(void* memory) noexcept override { drop(pinned_, memory); }
  std::string memory_left() const override { return "little is free"; }
  bool reaches_host() const override { return false; }

  void copy(void* to, const void* from, std::size_t bytes, kernels::Queue queue) override {
    if (bytes == 0) return;
    const bool to_device = holds(device_, to, bytes), from_device = holds(device_, from, bytes);
    if (!to_device && !from_device) throw std::runtime_error("emulated copy: neither side is the device's memory");
    ++copies;
    const bool from_pinned = holds(pinned_, from, bytes), to_pinned = holds(pinned_, to, bytes);
    if (from_pinned) order_.written_by_host(from, bytes);
    // Other memory of the host is read, or waited for, at once.
    order_.copy(to_device || to_pinned ? to : nullptr, from_device || from_pinned ? from : nullptr, bytes, queue);
    if (queue == kernels::Queue::upload) {
      // Pinned memory is read when the copy happens, other memory now.
      if (from_pinned || from_device)
        uploads_.push_back({to, from, bytes, {}});
      else
        uploads_.push_back({to, nullptr, bytes, bytes_of(from, bytes)});
      ++uploads_asked_;
    } else if (to_device) {
      std::memmove(to, from, bytes);
    } else {
      downloads_.push_back({to, nullptr, bytes, bytes_of(from, bytes)});
      ++downloads_asked_;
    }
  }

  std::unique_ptr<kernels::Event> make_event() override { return std::make_unique<Moment>(); }
  void record(kernels::Event& event, kernels::Queue queue) override {
    auto& moment = static_cast<Moment&>(event);
    if (queue == kernels::Queue::upload)
      moment.uploads = uploads_asked_;
    else
      moment.downloads = downloads_asked_;
    moment.clock = order_.record(queue);
  }
  void wait(kernels::Queue queue, const kernels::Event& event) override {
    order_.wait(queue, static_cast<const Moment&>(event).clock);
    // The compute queue is never behind.
    if (queue == kernels::Queue::compute) upload_until(static_cast<const Moment&>(event).uploads);
  }
  void wait(const kernels::Event& event) override {
    const auto& moment = static_cast<const Moment&>(event);
    upload_until(moment.uploads);
    while (downloads_done_ < moment.downloads) next(downloads_, downloads_done_);
    order_.wait_on_host(moment.clock);
  }
  bool happened(const kernels::Event& event) override {
    return downloads_done_ >= static_cast<const Moment&>(event).downloads;
  }

  std::unique_ptr<kernels::Recording> record(const std::function<void()>& work) override {
    ++recordings;
    return std::make_unique<Calls>(work);
  }
  void replay(kernels::Recording& recording) override {
    ++replays;
    if (kernels::emulated::current_stream() != stream()) throw std::runtime_error("emulated replay: another stream");
    const emulation::RecordedLaunches launches;
    static_cast<Calls&>(recording).work();
    launches.check();
  }

  std::size_t allocated() const { return device_.size(); }
  std::size_t limit = std::size_t{1} << 40;  // of the bytes of one allocation
  std::int64_t copies = 0, recordings = 0, replays = 0;

 private:
  using Blocks = std::map<void*, std::size_t>;
  struct Moment final : kernels::Event {
    std::int64_t uploads = 0, downloads = 0;
    QueueOrder::Clock clock{};
  };
  struct Calls final : kernels::Recording {
    explicit Calls(std::function<void()> calls) : work(std::move(calls)) {}
    std::function<void()> work;
  };
  emulation::cudaStream_t stream() {
    return reinterpret_cast<emulation::cudaStream_t>(&order_);
  }  // an address of its own

  struct Copy {
    void* to;
    const void* from;  // null: `bytes_now`
    std::size_t bytes;
    std::vector<std::byte> bytes_now;
  };

  void* make(Blocks& blocks, std::size_t bytes) {
    if (bytes > limit) return nullptr;
    void* memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
    std::memset(memory, 0, bytes);
    blocks[memory] = bytes;
    return memory;
  }
  void drop(Blocks& blocks, void* memory) noexcept {
    const auto block = blocks.find(memory);
    if (block == blocks.end()) return;
    order_.forget(memory, block->second);
    blocks.erase(block);
    std::free(memory);
  }
  static bool holds(const Blocks& blocks, const void* memory, std::size_t bytes) {
    auto block = blocks.upper_bound(const_cast<void*>(memory));
    if (block == blocks.begin()) return false;
    --block;
    const auto offset = static_cast<std::size_t>(static_cast<const char*>(memory) - static_cast<char*>(block->first));
    if (offset >= block->second) return false;
    if (offset + bytes > block->second) throw std::runtime_error("emulated copy: beyond the end of its memory");
    return true;
  }
  static std::vector<std::byte> bytes_of(const void* from, std::size_t bytes) {
    const auto* first = static_cast<const std::byte*>(from);
    return {first, first + bytes};
  }
  static void next(std::deque<Copy>& copies, std::int64_t& done) {
    const Copy& copy = copies.front();
    std::memcpy(copy.to, copy.from == nullptr ? copy.bytes_now.data() : copy.from, copy.bytes);
    copies.pop_front();
    ++done;
  }
  void upload_until(std::int64_t count) {
    while (uploads_done_ < count) next(uploads_, uploads_done_);
  }

  Blocks device_, pinned_;
  QueueOrder order_;
  kernels::emulated::StreamScope scope_{stream()};
  std::deque<Copy> uploads_, downloads_;
  std::int64_t uploads_asked_ = 0, uploads_done_ = 0, downloads_asked_ = 0, downloads_done_ = 0;
};

// The device under test, one at a time: emulated, or with MAL_TEST_DEVICE=cuda the machine's GPU.
struct TestDevice {
  TestDevice() {
    const char* wanted = std::getenv("MAL_TEST_DEVICE");
    real = wanted != nullptr && std::string(wanted) == "cuda";
    if (real) {
      device = select_device("cuda", 1);
    } else {
      runtime = std::make_shared<EmulatedRuntime>();
      device = {"emulated", "", &kernels::emulated_kernels(), runtime, ""};
    }
  }

  bool real = false;
  std::shared_ptr<EmulatedRuntime> runtime;  // null where it is real
  Device device;
};

}  // namespace mal::test

#include "kernels/runtime.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <utility>

#include "kernels/cpu/parallel.h"
#include "kernels/kernels.h"

namespace mal::kernels {

namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kHugePage = std::size_t{2} << 20;

class Nothing final : public Event {};

class Calls final : public Recording {
 public:
  explicit Calls(std::function<void()> calls) : work(std::move(calls)) {}
  std::function<void()> work;
};

class CpuRuntime final : public Runtime {
 public:
  void* allocate(std::size_t bytes) override {
    const std::size_t alignment = bytes >= 4 * kHugePage ? kHugePage : kAlignment;
    const std::size_t padded = (bytes + alignment - 1) / alignment * alignment;
    void* const memory = std::aligned_alloc(alignment, padded);
    if (memory == nullptr) return nullptr;
    // Row gathers from a table of gigabytes are bound by TLB misses: huge pages halve their time.
    if (alignment == kHugePage) madvise(memory, padded, MADV_HUGEPAGE);
    std::memset(memory, 0, padded);
    return memory;
  }
  void release(void* memory) noexcept override { std::free(memory); }
  void* allocate_pinned(std::size_t bytes) override { return allocate(bytes); }
  void release_pinned(void* memory) noexcept override { std::free(memory); }
  std::string memory_left() const override { return ""; }
  bool reaches_host() const override { return true; }
  int threads() const override { return cpu_threads(); }
  void run_blocks(std::int64_t count, void (*body)(const void* context, std::int64_t block),
                  const void* context) override {
    kernels::run_blocks(count, body, context);
  }

  void copy(void* to, const void* from, std::size_t bytes, Queue) override {
    if (bytes != 0) std::memmove(to, from, bytes);
  }
  std::unique_ptr<Event> make_event() override { return std::make_unique<Nothing>(); }
  void record(Event&, Queue) override {}
  void wait(Queue, const Event&) override {}
  void wait(const Event&) override {}
  bool happened(const Event&) override { return true; }

  std::unique_ptr<Recording> record(const std::function<void()>& work) override {
    return std::make_unique<Calls>(work);
  }
  void replay(Recording& recording) override { static_cast<Calls&>(recording).work(); }
};

}  // namespace

std::shared_ptr<Runtime> cpu_runtime() {
  static const auto kRuntime = std::make_shared<CpuRuntime>();  // it has no state
  return kRuntime;
}

}  // namespace mal::kernels

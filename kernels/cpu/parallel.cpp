// A pool of threads made for loops of microseconds. OpenMP's runtime was measured beside it (docs/architecture.md): its
// loops wait for every thread, also for one that has no block and no core, so one busy core costs a step 9 to 40 %.
// Here an idle thread spins for some 40 µs, the time between two kernels of a step, and then sleeps.
#include "kernels/cpu/parallel.h"

#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "kernels/kernels.h"

namespace mal::kernels {

namespace {

using Body = void (*)(const void* context, std::int64_t block);

constexpr int kSpins = 1500;  // of 20 to 50 ns each

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// The loop that is running. `ticket` holds its number and the next block that nobody has taken: the block is taken by a
// compare-and-swap of the whole, which fails if the loop has ended meanwhile, so that what was read of `body`,
// `context` and `count` belongs to the loop of the block. The loop ends when `done` blocks are `count`, whoever ran
// them: a thread that sleeps is not waited for.
class Pool {
 public:
  ~Pool() { stop(); }

  void set_threads(int threads) {
    while (busy_.exchange(true)) std::this_thread::yield();
    if (threads != threads_) {
      stop();
      stopping_ = false;
      for (int t = 1; t < threads; ++t) workers_.emplace_back([this] { work(); });
      threads_ = threads;
    }
    busy_ = false;
  }

  int threads() const { return threads_; }

  void run(std::int64_t count, Body body, const void* context) {
    if (threads_ == 1 || count < 2 || count >= kMask || busy_.exchange(true)) {
      for (std::int64_t block = 0; block < count; ++block) body(context, block);
      return;
    }
    open(count, body, context);
    take_blocks(ticket_.load(std::memory_order_relaxed) >> kBits);
    wait_until_done(count);
    const std::exception_ptr error = std::exchange(error_, nullptr);
    busy_ = false;
    if (error) std::rethrow_exception(error);
  }

 private:
  static constexpr int kBits = 32;
  static constexpr std::int64_t kMask = (std::int64_t{1} << kBits) - 1;

  void open(std::int64_t count, Body body, const void* context) {
    const std::uint64_t number = (ticket_.load(std::memory_order_relaxed) >> kBits) + 1;
    ticket_.store(number << kBits | static_cast<std::uint64_t>(kMask));  // nothing to take while the fields change
    body_.store(body, std::memory_order_relaxed);
    context_.store(context, std::memory_order_relaxed);
    count_.store(count, std::memory_order_relaxed);
    done_.store(0, std::memory_order_relaxed);
    ticket_.store((number + 1) << kBits, std::memory_order_release);
    opened_.fetch_add(1, std::memory_order_release);
    opened_.notify_all();
  }

  // Blocks of the given loop until none is left.
  void take_blocks(std::uint64_t number) {
    std::uint64_t ticket = ticket_.load(std::memory_order_acquire);
    while (ticket >> kBits == number) {
      const Body body = body_.load(std::memory_order_relaxed);
      const void* context = context_.load(std::memory_order_relaxed);
      const std::int64_t count = count_.load(std::memory_order_relaxed);
      const auto block = static_cast<std::int64_t>(ticket & static_cast<std::uint64_t>(kMask));
      if (block >= count) return;
      if (!ticket_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel)) continue;
      run_block(body, context, block);
      if (done_.fetch_add(1, std::memory_order_acq_rel) + 1 == static_cast<std::uint32_t>(count)) done_.notify_one();
      ticket = ticket_.load(std::memory_order_acquire);
    }
  }

  void run_block(Body body, const void* context, std::int64_t block) {
    try {
      body(context, block);
    } catch (...) {
      const std::lock_guard lock(error_mutex_);
      if (!error_) error_ = std::current_exception();
    }
  }

  void wait_until_done(std::int64_t count) {
    const auto all = static_cast<std::uint32_t>(count);
    for (int spin = 0; spin < kSpins && done_.load(std::memory_order_acquire) != all; ++spin) pause();
    for (std::uint32_t done = done_.load(std::memory_order_acquire); done != all;
         done = done_.load(std::memory_order_acquire))
      done_.wait(done, std::memory_order_acquire);
  }

  void work() {
    std::uint32_t seen = 0;
    while (true) {
      for (int spin = 0; spin < kSpins && opened_.load(std::memory_order_acquire) == seen; ++spin) pause();
      opened_.wait(seen, std::memory_order_acquire);
      if (stopping_.load()) return;
      seen = opened_.load(std::memory_order_acquire);
      take_blocks(ticket_.load(std::memory_order_acquire) >> kBits);
    }
  }

  void stop() {
    stopping_ = true;
    opened_.fetch_add(1);
    opened_.notify_all();
    workers_.clear();  // joins
  }

  std::atomic<bool> busy_ = false;  // a loop is running
  std::mutex error_mutex_;
  std::exception_ptr error_;
  std::atomic<std::uint64_t> ticket_ = static_cast<std::uint64_t>(kMask);
  std::atomic<Body> body_ = nullptr;
  std::atomic<const void*> context_ = nullptr;
  std::atomic<std::int64_t> count_ = 0;
  std::atomic<std::uint32_t> done_ = 0, opened_ = 0;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> threads_ = 1;
  std::vector<std::jthread> workers_;
};

int all_cores() {
  return static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
}

// The process's threads, as OpenMP has them.
Pool& pool() {
  static Pool threads;
  return threads;
}

}  // namespace

void run_blocks(std::int64_t count, Body body, const void* context) {
  pool().run(count, body, context);
}

void set_cpu_threads(int threads) {
  pool().set_threads(threads > 0 ? threads : all_cores());
}

int cpu_threads() {
  return pool().threads();
}

}  // namespace mal::kernels

// The threads of one block: who runs, who waits for what, and who has ended.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "kernels/cuda/emulation/emulation.h"
#include "kernels/cuda/emulation/fiber.h"
#include "kernels/cuda/emulation/warp.h"

namespace mal::emulation {

struct Wait {
  WaitKind kind;
  unsigned mask;
  int lane, width;
  std::uint64_t value;
  Place place;
};

struct Thread {
  enum class State : std::uint8_t { fresh, ready, waiting, done };
  State state = State::fresh;
  Fiber* fiber = nullptr;
  Wait wait{};
  std::uint64_t result = 0;
  std::uint32_t warp_barriers = 0;
};

// A thread takes a fiber from a pool when it starts. A fiber whose thread has ended takes the next thread that has not
// begun, so a kernel that never waits costs one switch a block.
class Block {
 public:
  void run(const LaunchShape& shape, uint3 index, void (*thread)(const void*), const void* context);
  std::uint64_t wait_for(const Wait& wait);
  void note_access(std::uintptr_t address, std::size_t bytes, bool writes);

 private:
  static void fiber_main(void* block);
  void run_fiber();
  void start_threads();
  bool take_turns();
  void enter(int thread);
  void resume(int thread);
  bool next_is_fresh();
  Fiber* take_fiber();
  void abandon();
  void arrive_at_barrier();
  void arrive_in_warp();
  void check_mask(const Wait& wait) const;
  [[noreturn]] void report_stuck() const;
  [[noreturn]] void fail(const std::string& what) const;

  const LaunchShape* shape_ = nullptr;
  uint3 index_{};
  void (*body_)(const void*) = nullptr;
  const void* context_ = nullptr;
  std::vector<Thread> threads_;
  std::vector<int> order_;
  std::vector<int> waiting_;  // lanes of each warp
  std::size_t turn_ = 0;      // position in order_
  int current_ = 0;
  int alive_ = 0, at_barrier_ = 0;
  std::uint32_t barriers_ = 0;
  bool inside_ = false;  // a thread runs, not the scheduler
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber*> free_;
  std::exception_ptr error_;
};

// A load or store of the running thread (race.cpp); outside of a kernel nothing.
void note_access(const void* address, std::size_t bytes, bool writes);
extern constinit thread_local bool in_atomic;

// Puts 0 … n − 1 into the order that is set.
void order_turns(std::vector<int>& order, int n);
void order_again(std::vector<int>& order);  // for the next round: the same, or another random one

// The results of a warp operation whose lanes (those of the mask) are all here. Returns what is wrong, or nothing.
std::string finish_warp(Thread* lanes, unsigned mask);

// "0-3, 7" of rising numbers.
std::string ranges_of(const std::vector<int>& numbers);

}  // namespace mal::emulation

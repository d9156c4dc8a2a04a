#include "kernels/cuda/emulation/block.h"

#include <algorithm>
#include <bit>
#include <map>
#include <utility>

#include "kernels/cuda/cuda_kernels.h"
#include "kernels/cuda/emulation/race.h"
#include "kernels/cuda/emulation/shared.h"

namespace mal::emulation {

constinit thread_local uint3 threadIdx{}, blockIdx{};
constinit thread_local dim3 blockDim, gridDim;

namespace {

thread_local Block* running = nullptr;

std::string name_of(WaitKind kind) {
  constexpr const char* kNames[] = {"__syncthreads",    "__syncthreads_count", "__syncwarp",        "__shfl_sync",
                                    "__shfl_up_sync",   "__shfl_down_sync",    "__shfl_xor_sync",   "__ballot_sync",
                                    "__match_any_sync", "__reduce_add_sync",   "__reduce_min_sync", "__reduce_max_sync",
                                    "mma_tf32"};
  return kNames[static_cast<int>(kind)];
}

bool is_barrier(WaitKind kind) {
  return kind == WaitKind::barrier || kind == WaitKind::barrier_count;
}

std::string place_of(const Wait& wait) {
  return name_of(wait.kind) + " (" + wait.place.file + ":" + std::to_string(wait.place.line) + ")";
}

}  // namespace

std::string ranges_of(const std::vector<int>& numbers) {
  std::string text;
  for (std::size_t i = 0; i < numbers.size();) {
    std::size_t end = i;
    while (end + 1 < numbers.size() && numbers[end + 1] == numbers[end] + 1) ++end;
    text += (text.empty() ? "" : ", ") + std::to_string(numbers[i]);
    if (end > i) text += "-" + std::to_string(numbers[end]);
    i = end + 1;
  }
  return text;
}

void Block::run(const LaunchShape& shape, uint3 index, void (*thread)(const void*), const void* context) {
  shape_ = &shape;
  index_ = index;
  body_ = thread;
  context_ = context;
  Block* const before = running;
  running = this;
  start_threads();
  try {
    while (alive_ > 0) {
      if (!take_turns()) report_stuck();
      order_again(order_);
    }
  } catch (...) {
    abandon();
    running = before;
    throw;
  }
  running = before;
}

void Block::start_threads() {
  const auto count = static_cast<int>(shape_->block.x * shape_->block.y * shape_->block.z);
  threads_.assign(static_cast<std::size_t>(count), {});
  order_turns(order_, count);
  waiting_.assign(static_cast<std::size_t>((count + warpSize - 1) / warpSize), 0);
  alive_ = count;
  at_barrier_ = 0;
  ++barriers_;
  blockIdx = index_;
  shared_memory().begin_block();
}

// Every thread that can run, once. False if there was none.
bool Block::take_turns() {
  bool any = false;
  for (turn_ = 0; turn_ < order_.size(); ++turn_) {
    const int thread = order_[turn_];
    const Thread::State state = threads_[static_cast<std::size_t>(thread)].state;
    if (state != Thread::State::fresh && state != Thread::State::ready) continue;
    any = true;
    resume(thread);
    if (error_) std::rethrow_exception(error_);
  }
  return any;
}

void Block::enter(int thread) {
  current_ = thread;
  const auto t = static_cast<unsigned>(thread);
  threadIdx = {t % shape_->block.x, t / shape_->block.x % shape_->block.y, t / (shape_->block.x * shape_->block.y)};
}

void Block::resume(int thread) {
  enter(thread);
  Thread& state = threads_[static_cast<std::size_t>(thread)];
  if (state.state == Thread::State::fresh) state.fiber = take_fiber();
  inside_ = true;
  state.fiber->resume();
  inside_ = false;
}

Fiber* Block::take_fiber() {
  if (free_.empty()) {
    fibers_.push_back(std::make_unique<Fiber>(fiber_main, this));
    return fibers_.back().get();
  }
  Fiber* fiber = free_.back();
  free_.pop_back();
  return fiber;
}

void Block::fiber_main(void* block) {
  static_cast<Block*>(block)->run_fiber();
}

void Block::run_fiber() {
  for (;;) {
    try {
      body_(context_);
    } catch (...) {
      error_ = std::current_exception();
    }
    Thread& thread = threads_[static_cast<std::size_t>(current_)];
    thread.state = Thread::State::done;
    --alive_;
    Fiber* const fiber = std::exchange(thread.fiber, nullptr);
    if (!error_ && next_is_fresh()) {
      threads_[static_cast<std::size_t>(current_)].fiber = fiber;
      continue;
    }
    free_.push_back(fiber);
    fiber->suspend();
  }
}

// Whether the next in turn has not begun; then it is the current one.
bool Block::next_is_fresh() {
  for (std::size_t next = turn_ + 1; next < order_.size(); ++next) {
    const Thread::State state = threads_[static_cast<std::size_t>(order_[next])].state;
    if (state == Thread::State::ready) return false;
    if (state != Thread::State::fresh) continue;
    turn_ = next;
    enter(order_[next]);
    return true;
  }
  return false;
}

// After an error: fibers that stopped in the middle begin anew.
void Block::abandon() {
  error_ = nullptr;
  inside_ = false;
  free_.clear();
  for (const auto& fiber : fibers_) {
    fiber->reset();
    free_.push_back(fiber.get());
  }
}

std::uint64_t Block::wait_for(const Wait& wait) {
  const int self = current_;
  Thread& thread = threads_[static_cast<std::size_t>(self)];
  thread.wait = wait;
  thread.state = Thread::State::waiting;
  ++waiting_[static_cast<std::size_t>(self) / warpSize];
  if (is_barrier(wait.kind)) {
    arrive_at_barrier();
  } else {
    check_mask(wait);
    arrive_in_warp();
  }
  if (thread.state == Thread::State::waiting) thread.fiber->suspend();
  return thread.result;
}

// Strict: CUDA asks that all threads of the block reach the same barrier, or none.
void Block::arrive_at_barrier() {
  if (++at_barrier_ < static_cast<int>(threads_.size())) return;
  const Wait& mine = threads_[static_cast<std::size_t>(current_)].wait;
  std::uint64_t count = 0;
  for (const Thread& thread : threads_) {
    if (thread.wait.kind != mine.kind || thread.wait.place != mine.place) report_stuck();
    count += thread.wait.value;
  }
  for (Thread& thread : threads_) {
    thread.result = count;
    thread.state = Thread::State::ready;
  }
  at_barrier_ = 0;
  ++barriers_;
  std::ranges::fill(waiting_, 0);
}

void Block::check_mask(const Wait& wait) const {
  const int lane = current_ % warpSize;
  if ((wait.mask >> lane & 1U) == 0)
    fail("thread " + std::to_string(current_) + " is lane " + std::to_string(lane) + ", which its mask in " +
         place_of(wait) + " does not have");
}

void Block::arrive_in_warp() {
  const std::size_t first = static_cast<std::size_t>(current_) / warpSize * warpSize;
  const Wait& mine = threads_[static_cast<std::size_t>(current_)].wait;
  int& waiting = waiting_[first / warpSize];
  if (waiting < std::popcount(mine.mask)) return;
  for (std::size_t lane = 0; lane < warpSize; ++lane) {
    if ((mine.mask >> lane & 1U) == 0) continue;
    if (first + lane >= threads_.size()) return;  // no such thread: stuck in the end
    const Thread& other = threads_[first + lane];
    if (other.state != Thread::State::waiting || other.wait.kind != mine.kind || other.wait.mask != mine.mask ||
        other.wait.place != mine.place)
      return;
  }
  const std::string wrong = finish_warp(threads_.data() + first, mine.mask);
  waiting -= std::popcount(mine.mask);
  if (!wrong.empty()) fail(wrong + " in " + place_of(mine) + ", warp " + std::to_string(first / warpSize));
}

// Nobody can go on, or threads met at different barriers: says who waits where.
void Block::report_stuck() const {
  std::map<std::string, std::vector<int>> groups;
  bool barrier = false;
  for (std::size_t t = 0; t < threads_.size(); ++t) {
    const bool waits = threads_[t].state == Thread::State::waiting;
    barrier = barrier || (waits && is_barrier(threads_[t].wait.kind));
    groups[waits ? "wait in " + place_of(threads_[t].wait) : "have ended"].push_back(static_cast<int>(t));
  }
  std::string text = barrier ? "a barrier is not reached by all threads of the block" : "a warp operation lacks lanes";
  for (const auto& [what, threads] : groups) text += "; threads " + ranges_of(threads) + " " + what;
  fail(text);
}

void Block::fail(const std::string& what) const {
  const auto triple = [](auto v) {
    return "(" + std::to_string(v.x) + ", " + std::to_string(v.y) + ", " + std::to_string(v.z) + ")";
  };
  throw kernels::KernelError(std::string("kernel ") + shape_->name + ", block " + triple(index_) + " of grid " +
                             triple(shape_->grid) + ", " + triple(shape_->block) + " threads: " + what);
}

// The compiler takes these calls for ones that cannot throw: the thread stops for good, and run() throws.
void Block::note_access(std::uintptr_t address, std::size_t bytes, bool writes) {
  const Thread& thread = threads_[static_cast<std::size_t>(current_)];
  if (!inside_ || thread.fiber->holds(address)) return;
  // Barriers are counted through all blocks, so that what one block left in shared memory is over for the next.
  // NOLINTNEXTLINE(performance-no-int-to-ptr): it is only compared
  const bool shared = shared_memory().holds(reinterpret_cast<const void*>(address));
  const std::int64_t block =
      shared ? 0 : index_.x + std::int64_t{shape_->grid.x} * (index_.y + std::int64_t{shape_->grid.y} * index_.z);
  const std::string race =
      race_detector().touch(address, bytes, writes, in_atomic, {block, current_, barriers_, thread.warp_barriers});
  if (race.empty()) return;
  try {
    fail(race);
  } catch (...) {
    error_ = std::current_exception();
  }
  in_atomic = false;
  thread.fiber->suspend();
}

void note_access(const void* address, std::size_t bytes, bool writes) {
  if (running != nullptr) running->note_access(reinterpret_cast<std::uintptr_t>(address), bytes, writes);
}

std::uint64_t wait_for(WaitKind kind, unsigned mask, std::uint64_t value, int lane, int width, Place place) {
  if (running == nullptr) throw kernels::KernelError("a barrier or warp operation outside of a kernel");
  return running->wait_for({kind, mask, lane, width, value, place});
}

}  // namespace mal::emulation

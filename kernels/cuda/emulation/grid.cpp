#include <algorithm>
#include <numeric>
#include <string>

#include "kernels/cuda/cuda_kernels.h"
#include "kernels/cuda/emulation/block.h"
#include "kernels/cuda/emulation/race.h"
#include "kernels/cuda/emulation/shared.h"

namespace mal::emulation {

namespace {

struct Turns {
  ThreadOrder order = ThreadOrder::forward;
  std::uint64_t state = 0;  // of the random order
};
thread_local Turns turns;
thread_local bool counted_only = false;

// splitmix64 (Steele, Lea, Flood 2014)
std::uint64_t next_random() {
  std::uint64_t z = turns.state += 0x9E3779B97F4A7C15U;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9U;
  z = (z ^ z >> 27) * 0x94D049BB133111EBU;
  return z ^ z >> 31;
}

void shuffle(std::vector<int>& order) {
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[next_random() % i]);
}

// What a launch on sm_90 refuses.
void check_shape(const LaunchShape& shape) {
  const std::uint64_t threads = std::uint64_t{shape.block.x} * shape.block.y * shape.block.z;
  std::string wrong;
  if (threads == 0 || threads > 1024 || shape.block.z > 64)
    wrong = "a block of " + std::to_string(threads) + " threads";
  else if (shape.grid.x > 2147483647U || shape.grid.y > 65535 || shape.grid.z > 65535)
    wrong = "a grid of " + std::to_string(shape.grid.x) + " x " + std::to_string(shape.grid.y) + " x " +
            std::to_string(shape.grid.z) + " blocks";
  if (!wrong.empty()) throw kernels::KernelError(std::string("kernel ") + shape.name + ": no GPU starts " + wrong);
}

}  // namespace

CountedLaunches::CountedLaunches() {
  counted_only = true;
}
CountedLaunches::~CountedLaunches() {
  counted_only = false;
}

void set_thread_order(ThreadOrder order, std::uint64_t seed) {
  turns = {order, seed};
}

void order_turns(std::vector<int>& order, int n) {
  order.resize(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  if (turns.order == ThreadOrder::backward) std::ranges::reverse(order);
  order_again(order);
}

void order_again(std::vector<int>& order) {
  if (turns.order == ThreadOrder::random) shuffle(order);
}

void run_grid(const LaunchShape& shape, void (*thread)(const void*), const void* context) {
  check_shape(shape);
  static thread_local Block block;
  blockDim = shape.block;
  gridDim = shape.grid;
  shared_memory().begin_kernel(shape);
  if (counted_only) return;
  race_detector().begin_kernel();
  const std::uint64_t plane = std::uint64_t{shape.grid.x} * shape.grid.y, count = plane * shape.grid.z;
  // A random order of the blocks: a step that has no divisor in common with their number visits each once.
  std::uint64_t step = 1, at = 0;
  if (turns.order == ThreadOrder::random) {
    at = next_random() % count;
    do step = 1 + next_random() % count;
    while (std::gcd(step, count) != 1);
  }
  for (std::uint64_t n = 0; n < count; ++n, at = (at + step) % count) {
    const std::uint64_t b = turns.order == ThreadOrder::backward ? count - 1 - n : at;
    block.run(shape,
              {static_cast<unsigned>(b % shape.grid.x), static_cast<unsigned>(b / shape.grid.x % shape.grid.y),
               static_cast<unsigned>(b / plane)},
              thread, context);
  }
}

}  // namespace mal::emulation

#include "kernels/cuda/emulation/warp.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "kernels/cuda/emulation/block.h"

namespace mal::emulation {

namespace {

// The lane that a shuffle reads; its own where the source is beyond the segment. −1: the argument is wrong.
int source_of(const Wait& wait, int lane) {
  if (wait.width < 1 || wait.width > warpSize || !std::has_single_bit(static_cast<unsigned>(wait.width))) return -1;
  const int first = lane / wait.width * wait.width;
  switch (wait.kind) {
    case WaitKind::shuffle:
      return first + (wait.lane & (wait.width - 1));
    case WaitKind::shuffle_up:
      return lane - wait.lane < first ? lane : lane - wait.lane;
    case WaitKind::shuffle_down:
      return lane + wait.lane >= first + wait.width ? lane : lane + wait.lane;
    default: {  // xor: up to the end of its own segment
      const int source = lane ^ wait.lane;
      return source >= first + wait.width ? lane : source;
    }
  }
}

template <typename Combine>
std::uint64_t combined(const Thread* lanes, unsigned mask, const Combine& combine) {
  auto result = static_cast<std::uint32_t>(lanes[std::countr_zero(mask)].wait.value);
  for (unsigned rest = mask & (mask - 1); rest != 0; rest &= rest - 1)
    result = combine(result, static_cast<std::uint32_t>(lanes[std::countr_zero(rest)].wait.value));
  return result;
}

std::uint64_t same_as(const Thread* lanes, unsigned mask, std::uint64_t value) {
  std::uint64_t result = 0;
  for (unsigned rest = mask; rest != 0; rest &= rest - 1)
    if (lanes[std::countr_zero(rest)].wait.value == value) result |= rest & ~(rest - 1);
  return result;
}

// The result of a vote or a reduction; every lane gets it.
std::uint64_t result_of(WaitKind kind, const Thread* lanes, unsigned mask) {
  switch (kind) {
    case WaitKind::ballot:
      return same_as(lanes, mask, 1);
    case WaitKind::reduce_add:
      return combined(lanes, mask, [](std::uint32_t a, std::uint32_t b) { return a + b; });
    case WaitKind::reduce_min:
      return combined(lanes, mask, [](std::uint32_t a, std::uint32_t b) { return std::min(a, b); });
    case WaitKind::reduce_max:
      return combined(lanes, mask, [](std::uint32_t a, std::uint32_t b) { return std::max(a, b); });
    default:
      return 0;
  }
}

// What a tensor core makes of an operand: the 13 lowest bits do not count.
double tf32_of(float x) {
  return static_cast<double>(std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) & 0xFFFFE000U));
}

// Towards zero, as tensor cores round (Fasi, Higham, Mikaitis, Pranesh 2021).
float towards_zero(double x) {
  const auto nearest = static_cast<float>(x);
  const bool away = std::abs(static_cast<double>(nearest)) > std::abs(x);
  return away ? std::nextafter(nearest, 0.0F) : nearest;
}

// c[16, 8] += a[16, 8] b[8, 8] over the fragments of 32 lanes: products are exact, and their sum is rounded once.
void multiply(const Thread* lanes) {
  double a[16][8], b[8][8];
  const auto of = [&](int lane) {
    // NOLINTNEXTLINE(performance-no-int-to-ptr): a waiting lane's own struct
    return *reinterpret_cast<const Fragments*>(static_cast<std::uintptr_t>(lanes[lane].wait.value));
  };
  for (int lane = 0; lane < warpSize; ++lane) {
    const Fragments mine = of(lane);
    const int group = lane / 4, in_group = lane % 4;
    for (int i = 0; i < 4; ++i) a[group + i % 2 * 8][in_group + i / 2 * 4] = tf32_of(mine.a[i]);
    for (int i = 0; i < 2; ++i) b[in_group + i * 4][group] = tf32_of(mine.b[i]);
  }
  for (int lane = 0; lane < warpSize; ++lane) {
    const Fragments mine = of(lane);
    for (int i = 0; i < 4; ++i) {
      const int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
      auto sum = static_cast<double>(mine.c[i]);
      for (int k = 0; k < 8; ++k) sum += a[row][k] * b[k][column];
      mine.c[i] = towards_zero(sum);
    }
  }
}

}  // namespace

std::string finish_warp(Thread* lanes, unsigned mask) {
  const WaitKind kind = lanes[std::countr_zero(mask)].wait.kind;
  const bool shuffles = kind == WaitKind::shuffle || kind == WaitKind::shuffle_up || kind == WaitKind::shuffle_down ||
                        kind == WaitKind::shuffle_xor;
  std::uint32_t next_barrier = 0;
  for (unsigned rest = mask; rest != 0; rest &= rest - 1)
    next_barrier = std::max(next_barrier, lanes[std::countr_zero(rest)].warp_barriers + 1);
  const std::uint64_t common = result_of(kind, lanes, mask);
  if (kind == WaitKind::mma_tf32) multiply(lanes);
  for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
    const int lane = std::countr_zero(rest);
    Thread& thread = lanes[lane];
    if (kind == WaitKind::sync_warp) thread.warp_barriers = next_barrier;
    thread.result = kind == WaitKind::match_any ? same_as(lanes, mask, thread.wait.value) : common;
    if (!shuffles) continue;
    const int source = source_of(thread.wait, lane);
    if (source < 0) return "a width of " + std::to_string(thread.wait.width) + " is no power of two up to 32";
    if (source >= warpSize || (mask >> source & 1U) == 0)
      return "lane " + std::to_string(lane) + " reads lane " + std::to_string(source) + ", which is not in the mask,";
    thread.result = lanes[source].wait.value;
  }
  for (unsigned rest = mask; rest != 0; rest &= rest - 1) lanes[std::countr_zero(rest)].state = Thread::State::ready;
  return "";
}

}  // namespace mal::emulation

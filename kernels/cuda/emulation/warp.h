// Barriers, shuffles and votes. Each takes the place of its caller, for the error when a thread is missing.
#pragma once

#include <cstdint>
#include <cstring>

namespace mal::emulation {

struct Place {
  const char* file;
  int line;
  static constexpr Place here(const char* file = __builtin_FILE(), int line = __builtin_LINE()) { return {file, line}; }
  bool operator==(const Place&) const = default;
};

enum class WaitKind : std::uint8_t {
  barrier,  // of the block
  barrier_count,
  sync_warp,
  shuffle,
  shuffle_up,
  shuffle_down,
  shuffle_xor,
  ballot,
  match_any,
  reduce_add,
  reduce_min,
  reduce_max,
  mma_tf32
};
// Stops this thread until all of the block, or all lanes of the mask, wait for the same. Returns this thread's result.
std::uint64_t wait_for(WaitKind kind, unsigned mask, std::uint64_t value, int lane, int width, Place place);

inline constexpr unsigned kAllLanes = 0xFFFFFFFFU;

// NOLINTBEGIN(bugprone-reserved-identifier): the names are CUDA's
inline void __syncthreads(Place place = Place::here()) {
  wait_for(WaitKind::barrier, kAllLanes, 0, 0, 0, place);
}
inline int __syncthreads_count(int predicate, Place place = Place::here()) {
  return static_cast<int>(wait_for(WaitKind::barrier_count, kAllLanes, predicate != 0, 0, 0, place));
}
inline int __syncthreads_or(int predicate, Place place = Place::here()) {
  return __syncthreads_count(predicate, place) != 0;
}
inline int __syncthreads_and(int predicate, Place place = Place::here()) {
  return __syncthreads_count(predicate == 0, place) == 0;
}
inline void __syncwarp(unsigned mask = kAllLanes, Place place = Place::here()) {
  wait_for(WaitKind::sync_warp, mask, 0, 0, 0, place);
}

template <typename T>
T shuffled(WaitKind kind, unsigned mask, T value, int lane, int width, Place place) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8);
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  bits = wait_for(kind, mask, bits, lane, width, place);
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
template <typename T>
T __shfl_sync(unsigned mask, T value, int lane, int width = 32, Place place = Place::here()) {
  return shuffled(WaitKind::shuffle, mask, value, lane, width, place);
}
template <typename T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, Place place = Place::here()) {
  return shuffled(WaitKind::shuffle_up, mask, value, static_cast<int>(delta), width, place);
}
template <typename T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, Place place = Place::here()) {
  return shuffled(WaitKind::shuffle_down, mask, value, static_cast<int>(delta), width, place);
}
template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32, Place place = Place::here()) {
  return shuffled(WaitKind::shuffle_xor, mask, value, lanes, width, place);
}

inline unsigned __ballot_sync(unsigned mask, int predicate, Place place = Place::here()) {
  return static_cast<unsigned>(wait_for(WaitKind::ballot, mask, predicate != 0, 0, 0, place));
}
inline int __any_sync(unsigned mask, int predicate, Place place = Place::here()) {
  return __ballot_sync(mask, predicate, place) != 0;
}
inline int __all_sync(unsigned mask, int predicate, Place place = Place::here()) {
  return __ballot_sync(mask, predicate, place) == mask;
}
template <typename T>
unsigned __match_any_sync(unsigned mask, T value, Place place = Place::here()) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  return static_cast<unsigned>(wait_for(WaitKind::match_any, mask, bits, 0, 0, place));
}
inline unsigned __reduce_add_sync(unsigned mask, unsigned value, Place place = Place::here()) {
  return static_cast<unsigned>(wait_for(WaitKind::reduce_add, mask, value, 0, 0, place));
}
inline unsigned __reduce_min_sync(unsigned mask, unsigned value, Place place = Place::here()) {
  return static_cast<unsigned>(wait_for(WaitKind::reduce_min, mask, value, 0, 0, place));
}
inline unsigned __reduce_max_sync(unsigned mask, unsigned value, Place place = Place::here()) {
  return static_cast<unsigned>(wait_for(WaitKind::reduce_max, mask, value, 0, 0, place));
}
// NOLINTEND(bugprone-reserved-identifier)

// A lane's parts of c[16, 8] += a[16, 8] b[8, 8], as mma.sync.m16n8k8 spreads them (support/mma.h).
struct Fragments {
  const float* a;  // [4]
  const float* b;  // [2]
  float* c;        // [4]
};
inline void mma_tf32(const Fragments& fragments, Place place = Place::here()) {
  wait_for(WaitKind::mma_tf32, kAllLanes, reinterpret_cast<std::uintptr_t>(&fragments), 0, 0, place);
}

}  // namespace mal::emulation

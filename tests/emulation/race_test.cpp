#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "kernels/cuda/emulation/race.h"
#include "kernels/cuda/support/launch.h"

// Data races. The detector by itself, and, where the compiler reports loads and stores, kernels that race.
namespace mal::kernels::emulated::race {

using Catch::Matchers::Contains;

TEST_CASE("what orders two accesses to a word", "[emulation]") {
  RaceDetector detector;
  const auto race = [&](bool first_writes, Toucher first, bool second_writes, Toucher second, bool atomic = false) {
    detector.begin_kernel();
    CHECK(detector.touch(0x1000, 4, first_writes, atomic, first) == "");
    return detector.touch(0x1000, 4, second_writes, atomic, second) != "";
  };
  const Toucher a{0, 3, 1, 0}, b{0, 4, 1, 0}, far{0, 40, 1, 0};
  CHECK(race(true, a, false, b));
  CHECK(race(false, a, true, b));
  CHECK(race(true, a, true, b));
  CHECK(race(true, a, true, far));
  CHECK_FALSE(race(false, a, false, b));
  CHECK_FALSE(race(true, a, true, a));
  CHECK_FALSE(race(true, a, true, b, true));        // both atomic
  CHECK_FALSE(race(true, a, false, {0, 4, 2, 0}));  // a barrier between
  CHECK_FALSE(race(true, a, false, {0, 4, 1, 1}));  // a barrier of their warp
  CHECK(race(true, a, false, {0, 40, 1, 1}));       // of another warp
  CHECK(race(true, a, false, {1, 3, 9, 9}));        // another block
  detector.begin_kernel();
  CHECK(detector.touch(0x1000, 16, true, false, a) == "");
  CHECK(detector.touch(0x1010, 4, true, false, b) == "");  // beside it
  CHECK_THAT(detector.touch(0x100C, 4, false, false, b), Contains("thread 4 reads a word that thread 3 wrote"));
  detector.begin_kernel();
  for (const Toucher& reader : {a, b, far}) CHECK(detector.touch(0x1000, 4, false, false, reader) == "");
  CHECK_THAT(detector.touch(0x1000, 4, true, false, a), Contains("several threads read"));
}

#ifndef __SANITIZE_ADDRESS__

__global__ void lost_count(int* counts, const int* x) {
  counts[x[threadIdx.x]] += 1;
}
__global__ void right_count(int* counts, const int* x) {
  atomicAdd(&counts[x[threadIdx.x]], 1);
}
__global__ void two_blocks(int* out) {
  out[threadIdx.x] = static_cast<int>(blockIdx.x);
}
__global__ void late_barrier(int* out) {
  MAL_SHARED(int, tile, [64]);
  tile[threadIdx.x] = 1;
  __syncthreads();
  const int sum = tile[threadIdx.x] + tile[63 - threadIdx.x];
  tile[threadIdx.x] = sum;  // others still read
  out[threadIdx.x] = sum;
}

template <typename... Arguments>
std::string error_of(void (*kernel)(Arguments...), unsigned blocks, Arguments... arguments) {
  try {
    launch("racing", kernel, blocks, 64, 0, arguments...);
  } catch (const KernelError& error) {
    return error.what();
  }
  return "";
}

TEST_CASE("kernels that race", "[emulation]") {
  std::vector<int> out(64);
  const std::vector<int> x(64, 5);
  CHECK_THAT(error_of(lost_count, 1, out.data(), x.data()),
             Contains("kernel racing, block (0, 0, 0)") && Contains("a data race: thread 1"));
  CHECK(error_of(right_count, 3, out.data(), x.data()) == "");
  CHECK(out[5] == 193);  // with the one of the kernel that raced
  CHECK_THAT(error_of(two_blocks, 2, out.data()),
             Contains("a data race: thread 0 writes a word that thread 0 of block 0 wrote"));
  CHECK_THAT(error_of(late_barrier, 1, out.data()), Contains("a data race"));
  CHECK(error_of(two_blocks, 1, out.data()) == "");
}

#endif

}  // namespace mal::kernels::emulated::race

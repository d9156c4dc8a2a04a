#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "kernels/cuda/support/launch.h"
#include "tests/emulation/error_of.h"

// Kernels with one mistake each, and how the execution model shows it.
namespace mal::kernels::emulated::mistakes {

using Catch::Matchers::Contains;

__global__ void half_reach_barrier(int* out) {
  if (threadIdx.x < 40) __syncthreads();
  out[threadIdx.x] = 1;
}

TEST_CASE("a barrier that part of the block passes by", "[emulation]") {
  std::vector<int> out(64);
  const std::string error = error_of([&] { launch("half", half_reach_barrier, dim3(3, 2), 64, 0, out.data()); });
  CHECK_THAT(error, Contains("kernel half, block (0, 0, 0) of grid (3, 2, 1), (64, 1, 1) threads"));
  CHECK_THAT(error, Contains("a barrier is not reached by all threads of the block"));
  CHECK_THAT(error, Contains("threads 40-63 have ended"));
  CHECK_THAT(error, Contains("threads 0-39 wait in __syncthreads (") && Contains("mistakes_test.cpp:"));
}

__global__ void two_barriers(int* out) {
  if (threadIdx.x % 2 == 0) {
    out[threadIdx.x] = 1;
    __syncthreads();
  } else {
    __syncthreads();
  }
}

TEST_CASE("threads that meet at different barriers", "[emulation]") {
  std::vector<int> out(32);
  const std::string error = error_of([&] { launch("two", two_barriers, 1, 32, 0, out.data()); });
  CHECK_THAT(error, Contains("a barrier is not reached by all threads"));
  CHECK_THAT(error, Contains("0, 2, 4") && Contains("1, 3, 5"));
}

__global__ void barrier_against_warp(int* out) {
  if (threadIdx.x < 32)
    out[threadIdx.x] = __shfl_sync(0xFFFFFFFFU, 1, 0);
  else if (threadIdx.x < 63)
    __syncwarp();
  __syncthreads();
}

TEST_CASE("a warp that waits for a lane which waits in a barrier", "[emulation]") {
  std::vector<int> out(64);
  CHECK_THAT(error_of([&] { launch("mixed", barrier_against_warp, 1, 64, 0, out.data()); }),
             Contains("threads 32-62 wait in __syncwarp") && Contains("threads 0-31, 63 wait in __syncthreads"));
}

__global__ void shuffle_in_branch(int* out) {
  if (threadIdx.x < 20) out[threadIdx.x] = __shfl_xor_sync(0xFFFFFFFFU, 1, 1);
}

TEST_CASE("a shuffle with lanes missing", "[emulation]") {
  std::vector<int> out(32);
  CHECK_THAT(error_of([&] { launch("branch", shuffle_in_branch, 1, 32, 0, out.data()); }),
             Contains("a warp operation lacks lanes") && Contains("threads 20-31 have ended") &&
                 Contains("threads 0-19 wait in __shfl_xor_sync"));
  // Lanes that the block does not have.
  CHECK_THAT(error_of([&] { launch("short", shuffle_in_branch, 1, 20, 0, out.data()); }),
             Contains("a warp operation lacks lanes"));
}

__global__ void wrong_masks(int* out, int what) {
  const int lane = static_cast<int>(threadIdx.x);
  if (what == 0) out[lane] = __shfl_sync(0xFFFFU, lane, 0);  // also from lanes 16-31
  if (what == 1 && lane < 8) out[lane] = __shfl_sync(0xFFU, lane, 9);
  if (what == 2) out[lane] = __shfl_sync(0xFFFFFFFFU, lane, 0, 12);
  if (what == 3) out[lane] = static_cast<int>(__ballot_sync(lane < 16 ? 0xFFFFU : 0xFFFFFFFFU, 1));
}

TEST_CASE("masks and widths that are wrong", "[emulation]") {
  std::vector<int> out(32);
  const auto error = [&](int what) {
    return error_of([&] { launch("masks", wrong_masks, 1, 32, 0, out.data(), what); });
  };
  CHECK_THAT(error(0), Contains("is lane 16, which its mask in __shfl_sync"));
  CHECK_THAT(error(1), Contains("lane 0 reads lane 9, which is not in the mask"));
  CHECK_THAT(error(2), Contains("a width of 12 is no power of two"));
  CHECK_THAT(error(3), Contains("a warp operation lacks lanes"));
}

__global__ void missing_barrier(int* values) {
  MAL_SHARED(int, tile, [64]);
  tile[threadIdx.x] = values[threadIdx.x];
  values[threadIdx.x] = tile[(threadIdx.x + 1) % 64];
}

__global__ void missing_warp_barrier(int* values) {
  MAL_SHARED(int, tile, [32]);
  tile[threadIdx.x] = values[threadIdx.x];
  const int left = tile[threadIdx.x == 0 ? 0 : threadIdx.x - 1];  // right, if lanes ran forward
  __syncwarp();
  values[threadIdx.x] = left;
}

// Whether the result is the same in the three orders.
bool same_in_every_order(void (*kernel)(int*), unsigned threads) {
  std::vector<std::vector<int>> results;
  for (const ThreadOrder order : {ThreadOrder::forward, ThreadOrder::backward, ThreadOrder::random}) {
    set_thread_order(order, 3);
    auto& values = results.emplace_back(threads);
    std::iota(values.begin(), values.end(), 0);
    launch("orders", kernel, 1, threads, 0, values.data());
  }
  set_thread_order(ThreadOrder::forward);
  return results[0] == results[1] && results[0] == results[2];
}

TEST_CASE("a missing barrier gives another result in another order", "[emulation]") {
  CHECK_FALSE(same_in_every_order(missing_barrier, 64));
  CHECK_FALSE(same_in_every_order(missing_warp_barrier, 32));
}

__global__ void blocks_pass_on(int* values) {
  if (threadIdx.x == 0 && blockIdx.x + 1 < gridDim.x) values[blockIdx.x + 1] = values[blockIdx.x] + 1;
}
void launch_chain(int* values) {
  launch("chain", blocks_pass_on, 32, 32, 0, values);
}

TEST_CASE("blocks that depend on each other give another result in another order", "[emulation]") {
  std::vector<int> forward(32, 0), backward(32, 0);
  launch_chain(forward.data());
  set_thread_order(ThreadOrder::backward);
  launch_chain(backward.data());
  set_thread_order(ThreadOrder::forward);
  CHECK(forward != backward);
}

__global__ void reads_unset(float* out, int* counts) {
  MAL_SHARED(float, tile, [2][32]);
  MAL_SHARED(int, count, );
  auto* dynamic = dynamic_shared<float>();
  if (threadIdx.x == 0) {
    out[0] = tile[1][31];
    out[1] = dynamic[7];
    counts[blockIdx.x] = count;
    tile[1][31] = dynamic[7] = 1;  // the next block must not see it
    count = 0;
  }
}

TEST_CASE("shared memory that nobody has set is poison in every block", "[emulation]") {
  std::vector<float> out(2);
  std::vector<int> counts(2);
  launch("unset", reads_unset, 2, 32, 32, out.data(), counts.data());
  CHECK(std::isnan(out[0]));
  CHECK(std::isnan(out[1]));
  CHECK(counts == std::vector<int>(2, static_cast<int>(kPoison)));
}

__global__ void too_much_shared(float* out) {
  MAL_SHARED(float, tile, [13000]);
  out[0] = tile[0];
}

TEST_CASE("shapes and sizes that a GPU refuses", "[emulation]") {
  float out = 0;
  int value = 0;
  CHECK_THAT(error_of([&] { launch("wide", blocks_pass_on, 1, 1025, 0, &value); }),
             Contains("kernel wide: no GPU starts a block of 1025 threads"));
  CHECK_THAT(error_of([&] { launch("tall", blocks_pass_on, dim3(1, 70000), 32, 0, &value); }),
             Contains("a grid of 1 x 70000 x 1 blocks"));
  CHECK_THAT(error_of([&] { launch("fat", blocks_pass_on, 1, 32, 233472, &value); }),
             Contains("kernel fat: no GPU has 0 bytes of static and 233472 of dynamic"));
  CHECK_THAT(error_of([&] { launch("static", too_much_shared, 1, 1, 0, &out); }), Contains("static shared memory"));
}

TEST_CASE("after a mistake the next kernel runs", "[emulation]") {
  std::vector<int> out(64);
  for (int n = 0; n < 100; ++n)
    CHECK(error_of([&] { launch("half", half_reach_barrier, 1, 64, 0, out.data()); }) != "");
  CHECK(same_in_every_order([](int* values) { values[threadIdx.x] = 1; }, 64));
}

}  // namespace mal::kernels::emulated::mistakes

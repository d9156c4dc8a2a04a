#include <catch2/catch.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "kernels/cuda/support/launch.h"

// The execution model: what correct kernels compute, in every order of threads.
namespace mal::kernels::emulated::test {

constexpr ThreadOrder kOrders[] = {ThreadOrder::forward, ThreadOrder::backward, ThreadOrder::random};

template <typename Body>
void for_each_order(const Body& body) {
  for (const ThreadOrder order : kOrders) {
    INFO("order " << static_cast<int>(order));
    set_thread_order(order, 7);
    body();
  }
  set_thread_order(ThreadOrder::forward);
}

__global__ void write_indices(int* out) {
  const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  out[block * (blockDim.x * blockDim.y * blockDim.z) + thread] += static_cast<int>(block * 1000 + thread);
}

TEST_CASE("every thread of every block runs once", "[emulation]") {
  for_each_order([] {
    std::vector<int> out(std::size_t{3} * 2 * 2 * 5 * 4 * 3, 0), want;
    launch("write_indices", write_indices, dim3(3, 2, 2), dim3(5, 4, 3), 0, out.data());
    for (int block = 0; block < 12; ++block)
      for (int thread = 0; thread < 60; ++thread) want.push_back(block * 1000 + thread);
    CHECK(out == want);
  });
}

__global__ void reverse(int* values) {
  MAL_SHARED(int, tile, [64]);
  tile[threadIdx.x] = values[threadIdx.x];
  __syncthreads();
  values[threadIdx.x] = tile[63 - threadIdx.x];
}

TEST_CASE("shared memory and a barrier", "[emulation]") {
  for_each_order([] {
    std::vector<int> values(64), want(64);
    std::iota(values.begin(), values.end(), 0);
    std::iota(want.rbegin(), want.rend(), 0);
    launch("reverse", reverse, 1, 64, 0, values.data());
    CHECK(values == want);
  });
}

__global__ void tree_sum(const float* x, float* sums) {
  auto* partial = dynamic_shared<float>();
  partial[threadIdx.x] = x[blockIdx.x * blockDim.x + threadIdx.x];
  for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) partial[threadIdx.x] += partial[threadIdx.x + half];
  }
  if (threadIdx.x == 0) sums[blockIdx.x] = partial[0];
}

TEST_CASE("a barrier in a loop, several blocks, dynamic shared memory", "[emulation]") {
  for_each_order([] {
    std::vector<float> x(1024), sums(4);
    std::iota(x.begin(), x.end(), 0.0F);
    launch("tree_sum", tree_sum, 4, 256, 256 * sizeof(float), x.data(), sums.data());
    for (int b = 0; b < 4; ++b)
      CHECK(sums[static_cast<std::size_t>(b)] == 256.0F * 256.0F * static_cast<float>(b) + 255.0F * 128.0F);
  });
}

__global__ void shuffles(int* out) {
  const int lane = static_cast<int>(threadIdx.x % 32), n = static_cast<int>(blockDim.x);
  int* mine = out + threadIdx.x;
  mine[0] = __shfl_sync(0xFFFFFFFFU, lane * 10, 5);
  mine[n] = __shfl_up_sync(0xFFFFFFFFU, lane, 1);
  mine[2 * n] = __shfl_down_sync(0xFFFFFFFFU, lane, 2);
  mine[3 * n] = __shfl_xor_sync(0xFFFFFFFFU, lane, 3);
  mine[4 * n] = __shfl_sync(0xFFFFFFFFU, lane, 1, 8);
  mine[5 * n] = __shfl_up_sync(0xFFFFFFFFU, lane, 3, 8);
  mine[6 * n] = __shfl_down_sync(0xFFFFFFFFU, lane, 3, 8);
}

TEST_CASE("shuffles, whole and in segments", "[emulation]") {
  for_each_order([] {
    std::vector<int> out(64 * 7);
    launch("shuffles", shuffles, 1, 64, 0, out.data());
    for (int t = 0; t < 64; ++t) {
      const int lane = t % 32, at = lane % 8, first = lane - at;
      const int want[] = {50,        lane == 0 ? 0 : lane - 1, lane >= 30 ? lane : lane + 2, lane ^ 3,
                          first + 1, at < 3 ? lane : lane - 3, at >= 5 ? lane : lane + 3};
      for (int k = 0; k < 7; ++k) {
        INFO("thread " << t << ", operation " << k);
        CHECK(out[static_cast<std::size_t>(k * 64 + t)] == want[k]);
      }
    }
  });
}

__global__ void doubles(double* x) {
  for (int lanes = 16; lanes > 0; lanes /= 2) x[threadIdx.x] += __shfl_xor_sync(0xFFFFFFFFU, x[threadIdx.x], lanes);
}

TEST_CASE("a shuffle carries eight bytes", "[emulation]") {
  for_each_order([] {
    std::vector<double> x(32, 1e100);
    x[7] = 1;
    launch("doubles", doubles, 1, 32, 0, x.data());
    for (const double value : x) CHECK(value == Approx(31e100));
  });
}

__global__ void votes(unsigned* out) {
  const unsigned lane = threadIdx.x;
  unsigned* mine = out + 8 * lane;
  mine[0] = __ballot_sync(0xFFFFFFFFU, lane % 3 == 0);
  mine[1] = static_cast<unsigned>(__any_sync(0xFFFFFFFFU, lane == 31) * 2 + __all_sync(0xFFFFFFFFU, lane < 31));
  mine[2] = __match_any_sync(0xFFFFFFFFU, lane / 4);
  mine[3] = __reduce_add_sync(0xFFFFFFFFU, lane);
  mine[4] = __reduce_max_sync(0xFFFFFFFFU, 100 - lane) * 1000 + __reduce_min_sync(0xFFFFFFFFU, 100 - lane);
  if (lane < 8) mine[5] = __ballot_sync(0xFFU, lane % 2);  // part of a warp
  mine[6] = static_cast<unsigned>(__syncthreads_count(lane < 20));
  mine[7] = static_cast<unsigned>(__syncthreads_or(lane == 40) * 2 + __syncthreads_and(lane < 40));
}

TEST_CASE("votes and reductions of a warp", "[emulation]") {
  for_each_order([] {
    std::vector<unsigned> out(32 * 8, 0);
    launch("votes", votes, 1, 32, 0, out.data());
    for (unsigned lane = 0; lane < 32; ++lane) {
      const unsigned* mine = out.data() + std::size_t{8} * lane;
      INFO("lane " << lane);
      CHECK(mine[0] == 0x49249249U);
      CHECK(mine[1] == 2);
      CHECK(mine[2] == 0xFU << lane / 4 * 4);
      CHECK(mine[3] == 496);
      CHECK(mine[4] == 100069);
      CHECK(mine[5] == (lane < 8 ? 0xAAU : 0));
      CHECK(mine[6] == 20);
      CHECK(mine[7] == 1);
    }
  });
}

__global__ void histogram(const int* x, int* counts, int* most, float* sum) {
  atomicAdd(&counts[x[blockIdx.x * blockDim.x + threadIdx.x]], 1);
  atomicMax(most, static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x));
  atomicAdd(sum, 0.5F);
  atomicCAS(&counts[9], 0, 77);
}

TEST_CASE("atomics", "[emulation]") {
  for_each_order([] {
    std::vector<int> x(300), counts(10, 0);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<int>(i % 3);
    int most = 0;
    float sum = 0;
    launch("histogram", histogram, 3, 100, 0, x.data(), counts.data(), &most, &sum);
    CHECK(counts == std::vector<int>{100, 100, 100, 0, 0, 0, 0, 0, 0, 77});
    CHECK(most == 299);
    CHECK(sum == 150);
  });
}

// Half of the warps end before the others meet in their warp's operations: no mistake.
__global__ void ends_early(int* out) {
  if (threadIdx.x >= 32) return;
  out[threadIdx.x] = __shfl_xor_sync(0xFFFFFFFFU, static_cast<int>(threadIdx.x), 1);
  __syncwarp();
}

TEST_CASE("a warp may end while another works", "[emulation]") {
  for_each_order([] {
    std::vector<int> out(32);
    launch("ends_early", ends_early, 2, 64, 0, out.data());
    for (int lane = 0; lane < 32; ++lane) CHECK(out[static_cast<std::size_t>(lane)] == (lane ^ 1));
  });
}

__global__ void deep(int* out) {
  volatile int stack[4000];
  stack[threadIdx.x] = static_cast<int>(threadIdx.x);
  __syncthreads();
  out[threadIdx.x] = stack[threadIdx.x];
}

TEST_CASE("each thread has a stack of its own", "[emulation]") {
  for_each_order([] {
    std::vector<int> out(1024);
    launch("deep", deep, 2, 1024, 0, out.data());
    for (int t = 0; t < 1024; ++t) CHECK(out[static_cast<std::size_t>(t)] == t);
  });
}

TEST_CASE("no blocks, no launch; each launch is counted", "[emulation]") {
  const std::int64_t before = emulated_launches();
  std::vector<int> values(64);
  launch("reverse", reverse, 0, 64, 0, values.data());
  CHECK(emulated_launches() == before);
  launch("reverse", reverse, 1, 64, 0, values.data());
  zero_bytes(values.data(), 256);
  CHECK(emulated_launches() == before + 2);
}

TEST_CASE("a StreamScope ends", "[emulation]") {
  CHECK(current_stream() == nullptr);
  int mark = 0;
  {
    const StreamScope scope(reinterpret_cast<cudaStream_t>(&mark));
    CHECK(current_stream() == reinterpret_cast<cudaStream_t>(&mark));
  }
  CHECK(current_stream() == nullptr);
}

}  // namespace mal::kernels::emulated::test

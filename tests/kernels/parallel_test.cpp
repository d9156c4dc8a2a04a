#include "kernels/cpu/parallel.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <cstdint>
#include <stdexcept>
#include <thread>
#include <vector>

#include "kernels/kernels.h"

namespace {

using namespace mal::kernels;

// Every block of `count` exactly once.
bool runs_each_once(std::int64_t count) {
  std::vector<std::atomic<int>> runs(static_cast<std::size_t>(count));
  parallel_blocks(count, [&](std::int64_t block) { ++runs[static_cast<std::size_t>(block)]; });
  for (const auto& run : runs)
    if (run != 1) return false;
  return true;
}

}  // namespace

TEST_CASE("every block runs exactly once, for any number of threads", "[kernels][parallel]") {
  for (const int threads : {1, 2, 3, 8}) {
    set_cpu_threads(threads);
    CHECK(cpu_threads() == threads);
    for (const std::int64_t count : {0, 1, 2, 3, 7, 64, 1000}) CHECK(runs_each_once(count));
    // Many short loops one after the other: late threads meet the next loop's fields.
    bool all = true;
    for (int loop = 0; loop < 2000; ++loop) all = all && runs_each_once(2 + loop % 5);
    CHECK(all);
  }
  set_cpu_threads(0);
}

TEST_CASE("a loop's results are seen after it", "[kernels][parallel]") {
  set_cpu_threads(4);
  std::vector<std::int64_t> values(512);
  bool all = true;
  for (std::int64_t round = 1; round <= 500; ++round) {
    parallel_blocks(512, [&](std::int64_t block) { values[static_cast<std::size_t>(block)] += block * round; });
    std::int64_t sum = 0;
    for (const std::int64_t value : values) sum += value;
    all = all && sum == 511 * 512 / 2 * round * (round + 1) / 2;
  }
  CHECK(all);
  set_cpu_threads(0);
}

TEST_CASE("ranges cover the rows, the last one shorter", "[kernels][parallel]") {
  set_cpu_threads(2);
  std::atomic<std::int64_t> rows = 0, ranges = 0;
  parallel_ranges(1025, 128, [&](std::int64_t first, std::int64_t last) {
    rows += last - first;
    ++ranges;
  });
  CHECK(rows == 1025);
  CHECK(ranges == 9);
  set_cpu_threads(0);
}

TEST_CASE("an exception of a block reaches the caller, and the threads stay usable", "[kernels][parallel]") {
  set_cpu_threads(2);
  CHECK_THROWS_AS(parallel_blocks(100,
                                  [](std::int64_t block) {
                                    if (block == 37) throw std::runtime_error("37");
                                  }),
                  std::runtime_error);
  CHECK(runs_each_once(100));
  set_cpu_threads(0);
}

TEST_CASE("loops inside loops and from several threads", "[kernels][parallel]") {
  set_cpu_threads(2);
  std::atomic<std::int64_t> inner = 0;
  parallel_blocks(10, [&](std::int64_t) { parallel_blocks(10, [&](std::int64_t) { ++inner; }); });
  CHECK(inner == 100);
  std::atomic<std::int64_t> total = 0;
  {
    std::vector<std::jthread> callers;
    for (int t = 0; t < 4; ++t)
      callers.emplace_back([&] {
        for (int loop = 0; loop < 200; ++loop) parallel_blocks(5, [&](std::int64_t) { ++total; });
      });
  }
  CHECK(total == 4 * 200 * 5);
  set_cpu_threads(0);
}

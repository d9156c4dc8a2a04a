// What a benchmark of kernels needs: the ceilings of this machine, measured in the same run, and a result's share of
// them. Linking main.cpp makes the program.
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

#include "kernels/kernels.h"

namespace mal::bench {

// Of all threads together.
struct Ceiling {
  double flops;  // fp32 multiply-adds in registers, two a multiply-add; per second
  double bytes;  // copied between arrays far larger than the caches, read and written both counted; per second
};
const Ceiling& ceiling();

// What one iteration must at least do: arithmetic, and each byte it reads or writes once.
struct Work {
  double flops, bytes;
};

// Seconds. With one thread, those that this process had a core; what else runs on the machine does not count.
double now();

// Runs the iterations; how long they took altogether, in seconds.
template <typename Body>
double timed(benchmark::State& state, const Body& body) {
  const double start = now();
  for ([[maybe_unused]] auto _ : state) body();
  return now() - start;
}

// Rates, and `of_ceiling`: the shortest time in which the machine could have done the work, by its arithmetic or by its
// memory, as a share of the time it took. Above 1 where the data fit the caches.
inline void report(benchmark::State& state, double seconds, const Work& work) {
  const auto times = static_cast<double>(state.iterations());
  const double shortest = std::max(work.flops / ceiling().flops, work.bytes / ceiling().bytes);
  state.counters["flop/s"] = work.flops * times / seconds;
  state.counters["B/s"] = work.bytes * times / seconds;
  state.counters["of_ceiling"] = shortest * times / seconds;
}

inline std::vector<float> random_floats(std::int64_t size) {
  std::vector<float> values(static_cast<std::size_t>(size));
  std::minstd_rand engine;
  for (float& value : values) value = static_cast<float>(engine()) * 0x1p-30F - 1;
  return values;
}

inline std::vector<std::int32_t> random_ids(std::int64_t size, std::int64_t below) {
  std::vector<std::int32_t> ids(static_cast<std::size_t>(size));
  std::mt19937_64 engine;
  for (std::int32_t& id : ids) id = static_cast<std::int32_t>(engine() % static_cast<std::uint64_t>(below));
  return ids;
}

}  // namespace mal::bench

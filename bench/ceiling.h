// A benchmark's result as a share of what the device at hand can do, measured in the same run. Linking main.cpp makes
// the program.
#pragma once

#include <algorithm>

#include "bench/device.h"

namespace mal::bench {

// What one iteration must at least do: arithmetic, and each byte it reads or writes once.
struct Work {
  double flops, bytes;
};

// Rates, and `of_ceiling`: the shortest time in which the device could have done the work, by its arithmetic or by its
// memory, as a share of the time it took. Above 1 where the data fit the caches.
inline void report(benchmark::State& state, double seconds, const Work& work, bool bf16 = false) {
  const auto times = static_cast<double>(state.iterations());
  const Ceiling& ceiling = device().ceiling;
  const double flops = bf16 ? ceiling.bf16_flops : ceiling.flops;
  const double shortest = std::max(work.flops / flops, work.bytes / ceiling.bytes);
  state.counters["flop/s"] = work.flops * times / seconds;
  state.counters["B/s"] = work.bytes * times / seconds;
  state.counters["of_ceiling"] = shortest * times / seconds;
  state.SetLabel(device().name);
}

}  // namespace mal::bench

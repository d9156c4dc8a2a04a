#pragma once

#include <algorithm>
#include <ctime>
#include <limits>

namespace mal::bench {

// Seconds by the clock, or those in which this process had a core: what else runs on the machine does not count then.
inline double seconds_now(bool of_process) {
  timespec time{};
  clock_gettime(of_process ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// By the clock: of many, the best needs no other, and a processor's time is not exact on a virtual machine. Nine or
// more, over a tenth of a second or more: a core that a neighbour shares is at times half as fast for so long.
template <typename Body>
double best_seconds(const Body& body) {
  double best = std::numeric_limits<double>::infinity();
  const double stop = seconds_now(false) + 0.1;
  for (int i = 0; i < 9 || seconds_now(false) < stop; ++i) {
    const double start = seconds_now(false);
    body();
    best = std::min(best, seconds_now(false) - start);
  }
  return best;
}

}  // namespace mal::bench

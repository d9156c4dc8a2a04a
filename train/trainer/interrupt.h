// Ctrl-C and SIGTERM ask a long job to stop at its next safe place.
#pragma once

#include <csignal>

namespace mal {

// While one lives, the first SIGINT or SIGTERM only makes requested() true; a second one ends the process as usual.
// One at a time.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;
  static bool requested();

 private:
  struct sigaction interrupt_, terminate_;  // what was there before
};

}  // namespace mal

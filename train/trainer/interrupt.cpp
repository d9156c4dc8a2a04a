#include "train/trainer/interrupt.h"

#include <atomic>

namespace mal {

namespace {

std::atomic<bool> asked = false;  // a signal handler can reach nothing else
static_assert(std::atomic<bool>::is_always_lock_free);

extern "C" void on_signal(int) {
  asked = true;
}

}  // namespace

InterruptGuard::InterruptGuard() {
  asked = false;
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
  sigaction(SIGINT, &action, &interrupt_);
  sigaction(SIGTERM, &action, &terminate_);
}

InterruptGuard::~InterruptGuard() {
  sigaction(SIGINT, &interrupt_, nullptr);
  sigaction(SIGTERM, &terminate_, nullptr);
}

bool InterruptGuard::requested() {
  return asked;
}

}  // namespace mal

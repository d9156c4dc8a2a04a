// A stack of its own on which a function runs, stops in the middle, and goes on later.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mal::emulation {

class Fiber {
 public:
  // body(argument) must not return and must not throw: it suspends for the last time.
  Fiber(void (*body)(void*), void* argument);
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  void resume();                             // from outside: runs until the next suspend()
  bool holds(std::uintptr_t address) const;  // on its stack
  void suspend();                            // from inside: back to where resume() was called
  // Forgets where it stopped: the next resume() starts the body anew. What was on its stack is not destroyed.
  void reset();

 private:
  struct Context;

  static void start(Fiber* fiber);

  void (*body_)(void*);
  void* argument_;
  std::byte* memory_;  // a page that nobody may touch, then the stack
  Context* context_;
};

}  // namespace mal::emulation

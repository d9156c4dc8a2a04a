// On x86-64 a switch saves the registers that a call keeps and exchanges the stack pointer: some nanoseconds, where
// ucontext makes a system call. AddressSanitizer is told of every switch.
#include "kernels/cuda/emulation/fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <new>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

#if defined(__SANITIZE_ADDRESS__)
#define MAL_ASAN_FIBERS
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MAL_ASAN_FIBERS
#endif
#endif
#ifdef MAL_ASAN_FIBERS
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace mal::emulation {

namespace {

constexpr std::size_t kStackBytes = std::size_t{256} << 10;  // pages that a kernel never touches cost nothing

std::size_t page_bytes() {
  static const auto bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

// What AddressSanitizer must know before and after the stack changes.
struct StackNote {
  void* fake = nullptr;
  const void* bottom = nullptr;
  std::size_t size = 0;
};
void leave([[maybe_unused]] StackNote& from, [[maybe_unused]] const StackNote& to) {
#ifdef MAL_ASAN_FIBERS
  __sanitizer_start_switch_fiber(&from.fake, to.bottom, to.size);
#endif
}
void arrive([[maybe_unused]] StackNote& at, [[maybe_unused]] StackNote* from) {
#ifdef MAL_ASAN_FIBERS
  __sanitizer_finish_switch_fiber(at.fake, from == nullptr ? nullptr : &from->bottom,
                                  from == nullptr ? nullptr : &from->size);
#endif
}

}  // namespace

#if defined(__x86_64__)

extern "C" void mal_fiber_switch(void** from, void* to);
extern "C" void mal_fiber_entry();
asm(R"(
.text
.type mal_fiber_switch, @function
.globl mal_fiber_switch
mal_fiber_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size mal_fiber_switch, .-mal_fiber_switch
.type mal_fiber_entry, @function
.globl mal_fiber_entry
mal_fiber_entry:
  movq %r12, %rdi
  xorl %ebp, %ebp
  call *%r13
  ud2
.size mal_fiber_entry, .-mal_fiber_entry
)");

struct Fiber::Context {
  void* inside = nullptr;  // stack pointers
  void* outside = nullptr;
  StackNote inside_note, outside_note;

  void prepare(Fiber* fiber, std::byte* stack) {
    // In the order in which mal_fiber_switch takes them: r15 r14 r13 r12 rbx rbp, where to go; then a call's alignment.
    auto* top = reinterpret_cast<void**>(stack + kStackBytes) - 2;
    *--top = reinterpret_cast<void*>(mal_fiber_entry);
    *--top = nullptr;
    *--top = nullptr;
    *--top = fiber;
    *--top = reinterpret_cast<void*>(&Fiber::start);
    *--top = nullptr;
    *--top = nullptr;
    inside = top;
  }
  void enter() { mal_fiber_switch(&outside, inside); }
  void exit() { mal_fiber_switch(&inside, outside); }
};

#else

struct Fiber::Context {
  ucontext_t inside{}, outside{};
  StackNote inside_note, outside_note;

  static void begin(unsigned high, unsigned low) {
    start(reinterpret_cast<Fiber*>(static_cast<std::uintptr_t>(high) << 32 | low));
  }
  void prepare(Fiber* fiber, std::byte* stack) {
    getcontext(&inside);
    inside.uc_stack.ss_sp = stack;
    inside.uc_stack.ss_size = kStackBytes;
    inside.uc_link = nullptr;
    const auto address = reinterpret_cast<std::uintptr_t>(fiber);
    makecontext(&inside, reinterpret_cast<void (*)()>(begin), 2, static_cast<unsigned>(address >> 32),
                static_cast<unsigned>(address));
  }
  void enter() { swapcontext(&outside, &inside); }
  void exit() { swapcontext(&inside, &outside); }
};

#endif

Fiber::Fiber(void (*body)(void*), void* argument) : body_(body), argument_(argument), context_(new Context) {
  void* memory =
      mmap(nullptr, page_bytes() + kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED || mprotect(memory, page_bytes(), PROT_NONE) != 0) throw std::bad_alloc();
  memory_ = static_cast<std::byte*>(memory);
  reset();
}

Fiber::~Fiber() {
#ifdef MAL_ASAN_FIBERS
  __asan_unpoison_memory_region(memory_ + page_bytes(), kStackBytes);  // whoever gets these pages next
#endif
  munmap(memory_, page_bytes() + kStackBytes);
  delete context_;
}

void Fiber::reset() {
  std::byte* stack = memory_ + page_bytes();
#ifdef MAL_ASAN_FIBERS
  __asan_unpoison_memory_region(stack, kStackBytes);
#endif
  context_->inside_note = {nullptr, stack, kStackBytes};
  context_->prepare(this, stack);
}

void Fiber::start(Fiber* fiber) {
  arrive(fiber->context_->inside_note, &fiber->context_->outside_note);
  fiber->body_(fiber->argument_);
}

bool Fiber::holds(std::uintptr_t address) const {
  return address - reinterpret_cast<std::uintptr_t>(memory_) < page_bytes() + kStackBytes;
}

void Fiber::resume() {
  leave(context_->outside_note, context_->inside_note);
  context_->enter();
  arrive(context_->outside_note, nullptr);
}

void Fiber::suspend() {
  leave(context_->inside_note, context_->outside_note);
  context_->exit();
  arrive(context_->inside_note, &context_->outside_note);
}

}  // namespace mal::emulation

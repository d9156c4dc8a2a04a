// AMX where the processor lacks it, or the system does not allow it: an instruction of it ends in SIGILL, whose handler
// here does what Intel's manual says of it and goes on behind it. So what the compiler made of bf16/tiles.cpp is run
// and compared on any machine that can run the rest of that file: registers, strides, shapes, and what was in memory
// when.
//
// Written from the manual and apart from the kernels' emulated twin: the arithmetic here is the processor's own, told
// to take numbers too small to be normal for zero.
#pragma once

#if defined(__x86_64__) && defined(__linux__)
#define MAL_HAVE_AMX_TRAP

#include <immintrin.h>
#include <signal.h>
#include <ucontext.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace mal::test {

namespace amx {

struct Register {
  std::uint8_t row[16][64];
};

// Of a thread.
struct State {
  bool configured = false;
  std::uint8_t config[64];
  Register registers[8];

  int row_bytes(int r) const { return config[16 + 2 * r] | config[17 + 2 * r] << 8; }
  int rows(int r) const { return config[48 + r]; }
};
inline State& state() {
  static thread_local State own;
  return own;
}
inline std::atomic<long>& done() {  // instructions
  static std::atomic<long> count = 0;
  return count;
}

// Where a processor would fault. In a handler nothing can be thrown.
inline void want(bool good, const char* what) {
  if (good) return;
  for (const char* text : {"amx_trap.h: ", what, "\n"})
    if (write(STDERR_FILENO, text, std::strlen(text)) < 0) break;
  std::abort();
}

inline void configure(State& s, const std::uint8_t* memory) {
  std::memcpy(s.config, memory, sizeof s.config);
  want(s.config[0] == 1 && s.config[1] == 0, "not palette 1 from row 0 on");
  for (int i = 2; i < 64; ++i)
    if (i < 16 || (i >= 32 && i < 48) || i >= 56) want(s.config[i] == 0, "a reserved byte of the configuration is set");
  for (int r = 0; r < 8; ++r) {
    want(s.row_bytes(r) <= 64 && s.rows(r) <= 16, "a register is larger than the palette's");
    want((s.row_bytes(r) == 0) == (s.rows(r) == 0), "a register has rows or columns alone");
  }
  s.configured = true;
  std::memset(s.registers, 0, sizeof s.registers);
}

inline float from_bf16(const std::uint8_t* bytes) {
  std::uint8_t wide[4] = {0, 0, bytes[0], bytes[1]};
  float value;
  std::memcpy(&value, wide, sizeof value);
  return value;
}

// to += a · b
[[gnu::target("fma")]] inline void multiply(State& s, int to, int a, int b) {
  want(to != a && to != b && a != b, "a product's registers are not three");
  const int depth = s.row_bytes(a) / 4, columns = s.row_bytes(to) / 4;
  want(s.rows(a) == s.rows(to) && s.row_bytes(b) == s.row_bytes(to) && s.rows(b) == depth, "shapes of a product");
  constexpr unsigned kDefault = 0x1F80, kZeroForDenormal = 0x8040;
  const unsigned before = _mm_getcsr();
  _mm_setcsr(kDefault | kZeroForDenormal);
  for (int m = 0; m < s.rows(to); ++m)
    for (int n = 0; n < columns; ++n) {
      __m128 halves[2] = {_mm_setzero_ps(), _mm_setzero_ps()};
      for (int k = 0; k < depth; ++k)
        for (int half = 0; half < 2; ++half)
          halves[half] = _mm_fmadd_ss(_mm_set_ss(from_bf16(s.registers[a].row[m] + 4 * k + 2 * half)),
                                      _mm_set_ss(from_bf16(s.registers[b].row[k] + 4 * n + 2 * half)), halves[half]);
      std::uint8_t* const place = s.registers[to].row[m] + 4 * n;
      float sum;
      std::memcpy(&sum, place, sizeof sum);
      sum = _mm_cvtss_f32(_mm_add_ss(_mm_set_ss(sum), _mm_add_ss(halves[0], halves[1])));
      std::memcpy(place, &sum, sizeof sum);
    }
  _mm_setcsr(before);
}

struct Instruction {
  int opcode, prefix, reg, rm, vvvv;  // prefix: VEX.pp
  std::int64_t length;
  bool in_memory;
  std::uint8_t* address;
  std::int64_t stride;  // the index register, scaled
};

// With the three bytes of VEX, of the map 0F38, as all of AMX.
inline Instruction decoded(const std::uint8_t* code, const greg_t* registers) {
  constexpr int kOrder[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                              REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  want(code[0] == 0xC4 && (code[1] & 0x1F) == 2 && (code[2] & 0x84) == 0, "an illegal instruction that is not AMX's");
  const int r = code[1] & 0x80 ? 0 : 8, x = code[1] & 0x40 ? 0 : 8, b = code[1] & 0x20 ? 0 : 8;
  const int mod = code[4] >> 6;
  Instruction i{.opcode = code[3],
                .prefix = code[2] & 3,
                .reg = (code[4] >> 3 & 7) | r,
                .rm = code[4] & 7,
                .vvvv = ~(code[2] >> 3) & 15,
                .length = 5,
                .in_memory = mod != 3,
                .address = nullptr,
                .stride = 0};
  if (!i.in_memory) {
    i.rm |= b;
    return i;
  }
  std::int32_t displacement = 0;
  greg_t base = 0;
  int wide = mod == 2 ? 4 : mod;  // of the displacement
  if (i.rm == 4) {
    const int sib = code[5], index = (sib >> 3 & 7) | x;
    i.length = 6;
    want(mod != 0 || (sib & 7) != 5, "an address without a base");
    base = registers[kOrder[(sib & 7) | b]];
    if (index != 4) i.stride = registers[kOrder[index]] * (1 << (sib >> 6));
  } else if (i.rm == 5 && mod == 0) {
    wide = 4;
    base = registers[REG_RIP] + i.length + wide;
  } else {
    base = registers[kOrder[i.rm | b]];
  }
  if (wide == 1) displacement = static_cast<std::int8_t>(code[i.length]);
  if (wide == 4) std::memcpy(&displacement, code + i.length, sizeof displacement);
  i.length += wide;
  i.address = reinterpret_cast<std::uint8_t*>(base + displacement);
  return i;
}

inline void perform(const Instruction& i) {
  State& s = state();
  constexpr int kNone = 0, k66 = 1, kF3 = 2, kF2 = 3;
  if (i.opcode == 0x49 && i.prefix == kNone && i.in_memory) return configure(s, i.address);  // LDTILECFG
  want(s.configured, "tiles are used before they are configured");
  if (i.opcode == 0x49 && i.prefix == kNone) {  // TILERELEASE
    s.configured = false;
    return;
  }
  want(i.reg < 8, "a register beyond the eighth");
  Register& own = s.registers[i.reg];
  if (i.opcode == 0x49 && i.prefix == kF2) {  // TILEZERO
    own = {};
  } else if (i.opcode == 0x4B && (i.prefix == kF2 || i.prefix == k66)) {  // TILELOADD, TILELOADDT1
    own = {};
    for (int m = 0; m < s.rows(i.reg); ++m)
      std::memcpy(own.row[m], i.address + m * i.stride, static_cast<std::size_t>(s.row_bytes(i.reg)));
  } else if (i.opcode == 0x4B && i.prefix == kF3) {  // TILESTORED
    for (int m = 0; m < s.rows(i.reg); ++m)
      std::memcpy(i.address + m * i.stride, own.row[m], static_cast<std::size_t>(s.row_bytes(i.reg)));
  } else {
    want(i.opcode == 0x5C && i.prefix == kF3 && i.rm < 8 && i.vvvv < 8, "an instruction that the kernels lacked");
    multiply(s, i.reg, i.rm, i.vvvv);  // TDPBF16PS
  }
}

inline void on_illegal(int, siginfo_t*, void* context) {
  greg_t* const registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  const Instruction i = decoded(reinterpret_cast<const std::uint8_t*>(registers[REG_RIP]), registers);
  perform(i);
  registers[REG_RIP] += i.length;
  done().fetch_add(1, std::memory_order_relaxed);
}

}  // namespace amx

// While it lives, threads may use AMX.
class AmxTrap {
 public:
  AmxTrap() {
    struct sigaction action {};
    action.sa_sigaction = amx::on_illegal;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGILL, &action, &before_);
  }
  ~AmxTrap() { sigaction(SIGILL, &before_, nullptr); }
  AmxTrap(const AmxTrap&) = delete;
  AmxTrap& operator=(const AmxTrap&) = delete;

  // Instructions of AMX since the program began.
  static long instructions() { return amx::done(); }
  // Whether this thread has not released its tiles.
  static bool in_use() { return amx::state().configured; }

 private:
  struct sigaction before_;
};

}  // namespace mal::test
#endif

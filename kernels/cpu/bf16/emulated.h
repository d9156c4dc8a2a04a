// What the processors' bf16 instructions compute, number by number (Intel's manual: VCVTNEPS2BF16, VDPBF16PS,
// TDPBF16PS): numbers too small to be normal count as zero, results of that size too, and every step is rounded to the
// nearest. So the kernels around the instructions, and what the instructions must give, are tested on any machine.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "kernels/cpu/lanes.h"

namespace mal::kernels::bf16::emulated {

inline constexpr std::uint32_t kExponent = 0x7F800000U;

// The 16 bits of the bf16 nearest to x.
inline std::uint32_t rounded(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  if ((bits & kExponent) == 0) return bits >> 16 & 0x8000U;
  if (std::isnan(x)) return bits >> 16 | 0x40U;
  return (bits + 0x7FFFU + (bits >> 16 & 1U)) >> 16;
}

inline float normal(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  return (bits & kExponent) == 0 ? std::bit_cast<float>(bits & 0x80000000U) : x;
}
inline float low(std::uint32_t slot) {
  return normal(std::bit_cast<float>(slot << 16));
}
inline float high(std::uint32_t slot) {
  return normal(std::bit_cast<float>(slot & 0xFFFF0000U));
}
// sum + x y, rounded once.
inline float add_product(float sum, float x, float y) {
  return normal(std::fma(x, y, normal(sum)));
}

struct Numbers {
  static IntVector pair(Vector low, Vector high) {
    IntVector slots{};
    for (std::int64_t i = 0; i < kLanes; ++i) slots[i] = slot_of(low[i], high[i]);
    return slots;
  }
  static IntVector pairs(Vector first, Vector second) {
    IntVector slots{};
    for (std::int64_t i = 0; i < kLanes / 2; ++i) {
      slots[i] = slot_of(first[2 * i], first[2 * i + 1]);
      slots[kLanes / 2 + i] = slot_of(second[2 * i], second[2 * i + 1]);
    }
    return slots;
  }
  static Vector slot(const float* x) {
    std::int32_t bits;
    __builtin_memcpy(&bits, x, sizeof bits);
    return reinterpret_cast<Vector>(IntVector{} + bits);
  }
  static Vector add(Vector sum, Vector x, Vector w) {
    const auto a = reinterpret_cast<IntVector>(x), b = reinterpret_cast<IntVector>(w);
    for (std::int64_t i = 0; i < kLanes; ++i) sum[i] = add_slot(sum[i], a[i], b[i]);
    return sum;
  }

 private:
  static std::int32_t slot_of(float low, float high) {
    return static_cast<std::int32_t>(rounded(low) | rounded(high) << 16);
  }
  // The upper halves' product first.
  static float add_slot(float sum, std::int32_t x, std::int32_t y) {
    const auto a = static_cast<std::uint32_t>(x), b = static_cast<std::uint32_t>(y);
    return add_product(add_product(sum, high(a), high(b)), low(a), low(b));
  }
};

// The registers of AMX, 16 rows of 16 slots or sums each.
class Registers : public Numbers {
 public:
  static void begin() {}
  static void end() {}

  template <bool kBelow, bool kRight>
  static void sum(const float* a, std::int64_t lda, const float* panel, std::int64_t slots) {
    for (std::int64_t down = 0; down < (kBelow ? 2 : 1); ++down)
      for (std::int64_t across = 0; across < (kRight ? 2 : 1); ++across) {
        Sums& sums = state().sums[down][across];
        sums = {};
        for (std::int64_t s = 0; s < slots; s += kSize)
          multiply(slots_at(a + down * kSize * lda + s, lda),
                   slots_at(panel + s * 2 * kSize + across * kSize, 2 * kSize), sums);
      }
  }
  template <bool kBelow, bool kRight>
  static void store(float* sums) {
    for (std::int64_t down = 0; down < (kBelow ? 2 : 1); ++down)
      for (std::int64_t across = 0; across < (kRight ? 2 : 1); ++across)
        for (std::int64_t m = 0; m < kSize; ++m)
          for (std::int64_t n = 0; n < kSize; ++n)
            sums[(down * kSize + m) * 2 * kSize + across * kSize + n] = state().sums[down][across].at[m][n];
  }

 private:
  static constexpr std::int64_t kSize = 16;
  struct Slots {
    std::uint32_t at[kSize][kSize];
  };
  struct Sums {
    float at[kSize][kSize];
  };
  struct State {
    Sums sums[2][2];
  };
  static State& state() {
    static thread_local State state;
    return state;
  }

  static Slots slots_at(const float* from, std::int64_t stride) {
    Slots slots;
    for (std::int64_t m = 0; m < kSize; ++m) __builtin_memcpy(slots.at[m], from + m * stride, sizeof slots.at[m]);
    return slots;
  }
  // Of each sum the products of lower halves and those of upper ones are added apart, both from zero.
  static void multiply(const Slots& a, const Slots& b, Sums& sums) {
    for (std::int64_t m = 0; m < kSize; ++m)
      for (std::int64_t n = 0; n < kSize; ++n) {
        float of_low = 0, of_high = 0;
        for (std::int64_t k = 0; k < kSize; ++k) {
          of_low = add_product(of_low, low(a.at[m][k]), low(b.at[k][n]));
          of_high = add_product(of_high, high(a.at[m][k]), high(b.at[k][n]));
        }
        float& sum = sums.at[m][n];
        sum = normal(normal(sum) + normal(of_low + of_high));
      }
  }
};

}  // namespace mal::kernels::bf16::emulated

// σ(x) = 1 / (1 + e⁻ˣ) and eˣ in a form that the compiler turns into vector code: glibc's vector functions need
// -ffast-math, which would also drop NaN. Used for whole activations, where a scalar exp would cost more than the
// layer.
#pragma once

#include <bit>
#include <cstdint>

namespace mal::kernels {

// eˣ for x in [−87, 88], clamped there; relative error below 2e-7. NaN stays NaN.
// x = n ln 2 + r with |r| ≤ ln 2 / 2; eʳ by its series to r⁶; 2ⁿ by the exponent's bits.
inline float fast_exp(float x) {
  constexpr float kLog2e = 1.44269504F, kLn2High = 0.693359375F, kLn2Low = -2.12194440e-4F;
  constexpr float kRound = 12582912.0F;  // 1.5 · 2²³: adding it leaves the nearest whole number in the low bits
  const float low = x < -87.0F ? -87.0F : x;
  const float at = low > 88.0F ? 88.0F : low;
  const float shifted = at * kLog2e + kRound;
  const float n = shifted - kRound;
  const float r = (at - n * kLn2High) - n * kLn2Low;
  float sum = 1.0F / 720.0F;
  sum = sum * r + 1.0F / 120.0F;
  sum = sum * r + 1.0F / 24.0F;
  sum = sum * r + 1.0F / 6.0F;
  sum = sum * r + 0.5F;
  sum = sum * r + 1.0F;
  sum = sum * r + 1.0F;
  const std::uint32_t power = (std::bit_cast<std::uint32_t>(shifted) - std::bit_cast<std::uint32_t>(kRound) + 127U)
                              << 23U;
  return sum * std::bit_cast<float>(power);
}

inline float fast_sigmoid(float x) {
  return 1.0F / (1.0F + fast_exp(-x));
}

}  // namespace mal::kernels

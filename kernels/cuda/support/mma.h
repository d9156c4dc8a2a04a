// Matrix products on tensor cores: c[16, 8] += a[16, 8] b[8, 8] by one warp, and how fp32 operands become what they
// take. The emulation computes the same, as an operation of the warp (emulation/warp.cpp).
#pragma once

#include "kernels/cuda/support/launch.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

// To 10 bits of mantissa, ties away from zero. Beyond the largest such number: infinity.
__device__ inline float to_tf32(float x) {
#ifdef MAL_CUDA_EMULATION
  if (!(fabsf(x) < INFINITY)) return x != x ? __uint_as_float(0x7FFFE000U) : x;
  return __uint_as_float((__float_as_uint(x) + 0x1000U) & 0xFFFFE000U);
#else
  unsigned bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  return __uint_as_float(bits);
#endif
}

// To the 7 bits of mantissa of bf16, ties to even: every such number is one of tf32 too.
__device__ inline float to_bf16(float x) {
#ifdef MAL_CUDA_EMULATION
  if (!(fabsf(x) < INFINITY)) return x != x ? __uint_as_float(0x7FFF0000U) : x;
  const unsigned bits = __float_as_uint(x);
  return __uint_as_float((bits + 0x7FFFU + (bits >> 16U & 1U)) & 0xFFFF0000U);
#else
  unsigned short bits;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(x));
  return __uint_as_float(static_cast<unsigned>(bits) << 16U);
#endif
}

// All lanes of the warp call it together. Lane 4 g + t holds, of numbers in tf32,
//   a: (g, t), (g + 8, t), (g, t + 4), (g + 8, t + 4)      b: (t, g), (t + 4, g)
//   c: (g, 2 t), (g, 2 t + 1), (g + 8, 2 t), (g + 8, 2 t + 1)
#ifndef MAL_CUDA_EMULATION
__device__ inline void mma_tf32(float (&c)[4], const float (&a)[4], const float (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, "
      "%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(__float_as_uint(a[0])), "r"(__float_as_uint(a[1])), "r"(__float_as_uint(a[2])), "r"(__float_as_uint(a[3])),
        "r"(__float_as_uint(b[0])), "r"(__float_as_uint(b[1])));
}
#else
__device__ inline void mma_tf32(float (&c)[4], const float (&a)[4], const float (&b)[2], Place place = Place::here()) {
  mma_tf32({a, b, c}, place);
}
#endif

// An operand's numbers in a precision. In fp32 as the sum of two of tf32: what is lost is 2^-22 of a number. Of an
// infinity the second part is NaN, so a product that is not finite stays so.
template <Precision kPrecision, int kCount>
struct Operand {
  float high[kCount], low[kPrecision == Precision::fp32 ? kCount : 1];

  __device__ void set(int i, float x) {
    high[i] = kPrecision == Precision::bf16 ? to_bf16(x) : to_tf32(x);
    if constexpr (kPrecision == Precision::fp32) low[i] = to_tf32(x - high[i]);
  }
};

// sums += a b. In fp32 three products, without that of the low parts (2^-22 of a product), and the sum over these 8 is
// added in fp32: tensor cores round their sums towards zero, which would add up over many.
template <Precision kPrecision>
__device__ void multiply_add(float (&sums)[4], const Operand<kPrecision, 4>& a, const Operand<kPrecision, 2>& b) {
  if constexpr (kPrecision == Precision::fp32) {
    float part[4] = {};
    mma_tf32(part, a.low, b.high);
    mma_tf32(part, a.high, b.low);
    mma_tf32(part, a.high, b.high);
#pragma unroll
    for (int i = 0; i < 4; ++i) sums[i] += part[i];
  } else {
    mma_tf32(sums, a.high, b.high);
  }
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

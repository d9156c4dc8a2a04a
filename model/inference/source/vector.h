// Eight floats in registers, chosen when the header is compiled: AVX2 with FMA on x86, two NEON registers on 64-bit
// ARM. kernels_vector.h is written in these functions alone.
#pragma once

#include "model/inference/source/kernels.h"

#if MAL_INFER_X86 && !defined(MAL_INFER_PORTABLE)
#define MAL_INFER_VECTOR 1
// A target attribute: they are there whatever the compiler was told, and the processor is asked at run time.
#define MAL_INFER_VECTORED __attribute__((target("avx2,fma"))) inline
#elif MAL_INFER_NEON && !defined(MAL_INFER_PORTABLE)
#define MAL_INFER_VECTOR 1
#define MAL_INFER_VECTORED inline
#else
#define MAL_INFER_VECTOR 0
#endif

#if MAL_INFER_VECTOR
namespace mal::infer::detail::vectored {

#if MAL_INFER_X86

inline constexpr const char* kName = "avx2";
using Eight = __m256;

MAL_INFER_VECTORED Eight zeros() {
  return _mm256_setzero_ps();
}
MAL_INFER_VECTORED Eight spread(float value) {
  return _mm256_set1_ps(value);
}
MAL_INFER_VECTORED Eight spread(const float* value) {
  return _mm256_broadcast_ss(value);
}
MAL_INFER_VECTORED Eight load(const float* from) {
  return _mm256_loadu_ps(from);
}
MAL_INFER_VECTORED void store(float* to, Eight x) {
  _mm256_storeu_ps(to, x);
}
MAL_INFER_VECTORED Eight add(Eight a, Eight b) {
  return _mm256_add_ps(a, b);
}
MAL_INFER_VECTORED Eight subtract(Eight a, Eight b) {
  return _mm256_sub_ps(a, b);
}
MAL_INFER_VECTORED Eight multiply(Eight a, Eight b) {
  return _mm256_mul_ps(a, b);
}
MAL_INFER_VECTORED Eight fused(Eight a, Eight b, Eight sum) {  // a b + sum
  return _mm256_fmadd_ps(a, b, sum);
}
MAL_INFER_VECTORED Eight relu(Eight x) {
  return _mm256_max_ps(_mm256_setzero_ps(), x);  // the second of the two, where one is NaN
}
MAL_INFER_VECTORED Eight where_positive(Eight x, Eight yes, Eight no) {
  return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_GT_OQ));
}
MAL_INFER_VECTORED unsigned not_zero(Eight x) {  // a bit each; NaN is not zero
  return static_cast<unsigned>(_mm256_movemask_ps(_mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_NEQ_UQ)));
}
MAL_INFER_VECTORED float total(Eight x) {
  const __m128 half = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 pair = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(pair, _mm_movehdup_ps(pair)));
}

// 16 weights of one input, as floats.
MAL_INFER_VECTORED void load_weights(const float* w, Eight& low, Eight& high) {
  low = _mm256_loadu_ps(w);
  high = _mm256_loadu_ps(w + 8);
}
MAL_INFER_VECTORED void load_weights(const std::uint16_t* w, Eight& low, Eight& high) {
  __m256i pairs = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w));
  __asm__("" : "+x"(pairs));  // else compilers read memory twice, and reading is what one ad waits for
  low = _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16));
  high = _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32(-0x10000)));
}

#else

inline constexpr const char* kName = "neon";
struct Eight {
  float32x4_t a, b;
};

inline Eight zeros() {
  return {vdupq_n_f32(0), vdupq_n_f32(0)};
}
inline Eight spread(float value) {
  const float32x4_t four = vdupq_n_f32(value);
  return {four, four};
}
inline Eight spread(const float* value) {
  return spread(*value);
}
inline Eight load(const float* from) {
  return {vld1q_f32(from), vld1q_f32(from + 4)};
}
inline void store(float* to, Eight x) {
  vst1q_f32(to, x.a);
  vst1q_f32(to + 4, x.b);
}
inline Eight add(Eight x, Eight y) {
  return {vaddq_f32(x.a, y.a), vaddq_f32(x.b, y.b)};
}
inline Eight subtract(Eight x, Eight y) {
  return {vsubq_f32(x.a, y.a), vsubq_f32(x.b, y.b)};
}
inline Eight multiply(Eight x, Eight y) {
  return {vmulq_f32(x.a, y.a), vmulq_f32(x.b, y.b)};
}
inline Eight fused(Eight x, Eight y, Eight sum) {  // x y + sum
  return {vfmaq_f32(sum.a, x.a, y.a), vfmaq_f32(sum.b, x.b, y.b)};
}
inline Eight relu(Eight x) {  // NaN where x is
  return {vmaxq_f32(vdupq_n_f32(0), x.a), vmaxq_f32(vdupq_n_f32(0), x.b)};
}
inline Eight where_positive(Eight x, Eight yes, Eight no) {
  return {vbslq_f32(vcgtzq_f32(x.a), yes.a, no.a), vbslq_f32(vcgtzq_f32(x.b), yes.b, no.b)};
}
inline unsigned not_zero(Eight x) {  // a bit each; NaN is not zero
  static constexpr std::uint32_t kLow[4] = {1, 2, 4, 8}, kHigh[4] = {16, 32, 64, 128};
  return vaddvq_u32(vbicq_u32(vld1q_u32(kLow), vceqzq_f32(x.a))) +
         vaddvq_u32(vbicq_u32(vld1q_u32(kHigh), vceqzq_f32(x.b)));
}
inline float total(Eight x) {
  return vaddvq_f32(vaddq_f32(x.a, x.b));
}

// 16 weights of one input, as floats.
inline void load_weights(const float* w, Eight& low, Eight& high) {
  low = load(w);
  high = load(w + 8);
}
inline void load_weights(const std::uint16_t* w, Eight& low, Eight& high) {
  const uint32x4_t a = vreinterpretq_u32_u16(vld1q_u16(w)), b = vreinterpretq_u32_u16(vld1q_u16(w + 8));
  const uint32x4_t mask = vdupq_n_u32(0xFFFF0000U);
  low = {vreinterpretq_f32_u32(vshlq_n_u32(a, 16)), vreinterpretq_f32_u32(vshlq_n_u32(b, 16))};
  high = {vreinterpretq_f32_u32(vandq_u32(a, mask)), vreinterpretq_f32_u32(vandq_u32(b, mask))};
}

#endif

}  // namespace mal::infer::detail::vectored
#endif

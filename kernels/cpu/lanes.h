// What is done with the lanes of a Vector, and sums over them. Such a sum is a tree over kGranule lanes whatever the
// vector's width, so that it is the same bits with any.
#pragma once

#include <cstdint>
#include <utility>

#include "kernels/cpu/vector.h"

#ifdef __SSE2__
#include <immintrin.h>
#endif

namespace mal::kernels {

using IntVector =
    std::int32_t __attribute__((vector_size(kLanes * sizeof(std::int32_t)), aligned(sizeof(float)), may_alias));

inline constexpr std::int64_t kGranule = 16;  // rows of padded matrices are multiples of it
inline constexpr std::int64_t kParts = kGranule / kLanes;

inline std::int64_t padded(std::int64_t n) {
  return (n + kGranule - 1) / kGranule * kGranule;
}

inline void store(std::int32_t* to, IntVector v) {
  *reinterpret_cast<IntVector*>(to) = v;
}

// The first n lanes, 0 ≤ n ≤ kLanes; no byte beyond them is touched.
inline Vector load_first(const float* from, std::int64_t n) {
#if defined(__AVX512F__)
  return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1U << n) - 1U), from);
#else
  Vector v{};
  for (std::int64_t c = 0; c < n; ++c) v[c] = from[c];
  return v;
#endif
}
inline void store_first(float* to, Vector v, std::int64_t n) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(to, static_cast<__mmask16>((1U << n) - 1U), v);
#else
  for (std::int64_t c = 0; c < n; ++c) to[c] = v[c];
#endif
}

// The lanes of a row of `width` numbers from column c on; zeros beyond the width, where nothing is touched.
inline Vector load_columns(const float* row, std::int64_t c, std::int64_t width) {
  return c + kLanes <= width ? load(row + c) : load_first(row + c, width > c ? width - c : 0);
}
inline void store_columns(float* row, std::int64_t c, std::int64_t width, Vector x) {
  if (c + kLanes <= width)
    store(row + c, x);
  else
    store_first(row + c, x, width > c ? width - c : 0);
}

// The first n lanes of x, then those of y.
inline Vector first_lanes(Vector x, std::int64_t n, Vector y) {
#if defined(__AVX512F__)
  return _mm512_mask_mov_ps(y, static_cast<__mmask16>((1U << n) - 1U), x);
#else
  for (std::int64_t c = n; c < kLanes; ++c) x[c] = y[c];
  return x;
#endif
}

namespace vector_detail {

template <std::int64_t... C>
IntVector lane_bits(std::integer_sequence<std::int64_t, C...>) {
  return IntVector{static_cast<std::int32_t>(1U << C)...};
}

}  // namespace vector_detail

// Bit c of the result: x[c] > 0. NaN is not.
inline std::uint32_t positive_lanes(Vector x) {
#if defined(__AVX512F__)
  return _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_GT_OQ);
#elif defined(__AVX__)
  return static_cast<std::uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_GT_OQ)));
#elif defined(__SSE2__)
  return static_cast<std::uint32_t>(_mm_movemask_ps(_mm_cmpgt_ps(x, _mm_setzero_ps())));
#else
  std::uint32_t bits = 0;
  for (std::int64_t c = 0; c < kLanes; ++c) bits |= (x[c] > 0 ? 1U : 0U) << c;
  return bits;
#endif
}

// x + y in the lanes whose bit is set in `bits`, x in the others.
inline Vector add_where(std::uint32_t bits, Vector x, Vector y) {
#if defined(__AVX512F__)
  return _mm512_mask_add_ps(x, static_cast<__mmask16>(bits), x, y);
#else
  const IntVector lanes = vector_detail::lane_bits(std::make_integer_sequence<std::int64_t, kLanes>());
  return ((IntVector{} + static_cast<std::int32_t>(bits)) & lanes) != 0 ? x + y : x;
#endif
}
inline IntVector add_where(std::uint32_t bits, IntVector x, IntVector y) {
#if defined(__AVX512F__)
  const auto v = reinterpret_cast<__m512i>(x), w = reinterpret_cast<__m512i>(y);
  return reinterpret_cast<IntVector>(_mm512_mask_add_epi32(v, static_cast<__mmask16>(bits), v, w));
#else
  const IntVector lanes = vector_detail::lane_bits(std::make_integer_sequence<std::int64_t, kLanes>());
  return x + ((((IntVector{} + static_cast<std::int32_t>(bits)) & lanes) != 0) & y);
#endif
}

namespace vector_detail {

// A granule's halves added until one vector is left.
inline Vector folded(Vector (&parts)[kParts]) {
  for (std::int64_t half = kParts / 2; half > 0; half /= 2)
    for (std::int64_t p = 0; p < half; ++p) parts[p] += parts[p + half];
  return parts[0];
}

// Two vectors of kLanes / kSegment segments each become one of twice as many half as long, each of them the sum of the
// two halves of a segment: those of a, then those of b.
template <std::int64_t kSegment, std::int64_t... C>
[[gnu::always_inline]] inline Vector halved(Vector a, Vector b, std::integer_sequence<std::int64_t, C...>) {
  constexpr std::int64_t kHalf = kSegment / 2;
  return __builtin_shufflevector(a, b, (C / kHalf * kSegment + C % kHalf)...) +
         __builtin_shufflevector(a, b, (C / kHalf * kSegment + C % kHalf + kHalf)...);
}

// Of kRows rows of kGranule numbers each one segment, in their order; a row alone is a vector of one segment.
template <std::int64_t kRows>
[[gnu::always_inline]] inline Vector sums_of(const float* rows) {
  if constexpr (kRows == 1) {
    Vector parts[kParts];
    for (std::int64_t p = 0; p < kParts; ++p) parts[p] = load(rows + p * kLanes);
    return folded(parts);
  } else {
    constexpr std::int64_t kHalf = kRows / 2;
    return halved<kLanes / kHalf>(sums_of<kHalf>(rows), sums_of<kHalf>(rows + kHalf * kGranule),
                                  std::make_integer_sequence<std::int64_t, kLanes>());
  }
}

// Segments are halved until each is one lane; the lanes beyond kLanes / kSegment then repeat.
template <std::int64_t kSegment>
[[gnu::always_inline]] inline Vector segment_sums(Vector x) {
  if constexpr (kSegment == 1)
    return x;
  else
    return segment_sums<kSegment / 2>(halved<kSegment>(x, x, std::make_integer_sequence<std::int64_t, kLanes>()));
}

// Lane r is the sum of row r, for 1 to kLanes rows.
template <std::int64_t kRows>
[[gnu::always_inline]] inline Vector row_sums(const float* rows) {
  return segment_sums<kLanes / kRows>(sums_of<kRows>(rows));
}

}  // namespace vector_detail

// sums[r] = Σ of the kGranule numbers of row r, a tree: lane c and lane c + 8, then c + 4, … Both arrays have room for
// a multiple of kGranule rows; what the rows beyond hold does not matter.
inline void sum_rows(const float* rows, std::int64_t count, float* sums) {
  constexpr std::int64_t kFew = 4;
  std::int64_t r = 0;
  for (; count - r > kFew; r += kLanes) store(sums + r, vector_detail::row_sums<kLanes>(rows + r * kGranule));
  if (r < count) store(sums + r, vector_detail::row_sums<kFew>(rows + r * kGranule));
}

namespace vector_detail {

// Lane c + kBy of x in lane c.
template <std::int64_t kBy, std::int64_t... C>
[[gnu::always_inline]] inline Vector rotated(Vector x, std::integer_sequence<std::int64_t, C...>) {
  return __builtin_shufflevector(x, x, ((C + kBy) % kLanes)...);
}

template <std::int64_t kHalf>
[[gnu::always_inline]] inline Vector largest(Vector x) {
  if constexpr (kHalf == 0) {
    return x;
  } else {
    const Vector other = rotated<kHalf>(x, std::make_integer_sequence<std::int64_t, kLanes>());
    return largest<kHalf / 2>(x > other ? x : other);
  }
}

}  // namespace vector_detail

// Lanes of NaN may be passed over.
inline float largest_lane(Vector x) {
  return vector_detail::largest<kLanes / 2>(x)[0];
}

// Σ of the kGranule lanes of kParts vectors, the same tree.
inline float sum_granule(const Vector (&parts)[kParts]) {
  Vector copy[kParts];
  for (std::int64_t p = 0; p < kParts; ++p) copy[p] = parts[p];
  return vector_detail::segment_sums<kLanes>(vector_detail::folded(copy))[0];
}

}  // namespace mal::kernels

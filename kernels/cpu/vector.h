// The widest vector of floats that this file's target has, by the compiler's vector extensions: one source for SSE,
// AVX, AVX-512 and whatever else.
#pragma once

#include <cstdint>

namespace mal::kernels {

#if defined(__AVX512F__)
inline constexpr std::int64_t kLanes = 16;
#elif defined(__AVX__)
inline constexpr std::int64_t kLanes = 8;
#else
inline constexpr std::int64_t kLanes = 4;
#endif

// At any address of a float.
using Vector = float __attribute__((vector_size(kLanes * sizeof(float)), aligned(sizeof(float)), may_alias));

inline Vector load(const float* from) {
  return *reinterpret_cast<const Vector*>(from);
}
inline void store(float* to, Vector x) {
  *reinterpret_cast<Vector*>(to) = x;
}
// x in every lane: x − 0 is x for every x, which x + 0 is not for −0.
inline Vector broadcast(float x) {
  return x - Vector{};
}

}  // namespace mal::kernels

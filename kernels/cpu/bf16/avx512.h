// What a processor with AVX512-BF16 does. Only for files that are compiled for it.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "kernels/cpu/lanes.h"

namespace mal::kernels::bf16 {

struct Avx512 {
  static IntVector pair(Vector low, Vector high) {
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                                           21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    return reinterpret_cast<IntVector>(_mm512_permutexvar_epi16(order, reinterpret_cast<__m512i>(pairs(low, high))));
  }
  static IntVector pairs(Vector first, Vector second) {
    return reinterpret_cast<IntVector>(
        _mm512_cvtne2ps_pbh(reinterpret_cast<__m512>(second), reinterpret_cast<__m512>(first)));
  }
  // A float in name only: its bits must come through unchanged.
  static Vector slot(const float* x) {
    std::int32_t bits;
    __builtin_memcpy(&bits, x, sizeof bits);
    return reinterpret_cast<Vector>(IntVector{} + bits);
  }
  static Vector add(Vector sum, Vector x, Vector w) {
    return reinterpret_cast<Vector>(
        _mm512_dpbf16_ps(reinterpret_cast<__m512>(sum), reinterpret_cast<__m512bh>(x), reinterpret_cast<__m512bh>(w)));
  }
};

}  // namespace mal::kernels::bf16

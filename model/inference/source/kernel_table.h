// Which kernels this processor runs: asked once, when a model is loaded.
#pragma once

#include "model/inference/source/kernels_vector.h"

namespace mal::infer::detail {

struct Kernels {
  const char* name;
  void (*product)(const Product&);
  float (*sum)(const float*, std::size_t);
  float (*squares)(const float*, std::size_t, float);
  void (*normalise)(float*, std::size_t, float, float, const float*);
  void (*din)(const DinWeights&, const float*, std::size_t, const float*, float*, float*);
};

inline constexpr Kernels kPortable = {"portable",        portable::product,   portable::sum,
                                      portable::squares, portable::normalise, portable::din};
#if MAL_INFER_VECTOR
inline constexpr Kernels kVectored = {vectored::kName,   vectored::product,   vectored::sum,
                                      vectored::squares, vectored::normalise, vectored::din};
#endif

inline const Kernels& kernels() {
#if MAL_INFER_VECTOR && MAL_INFER_X86
  if (__builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0) return kVectored;
#elif MAL_INFER_VECTOR
  return kVectored;
#endif
  return kPortable;
}

}  // namespace mal::infer::detail

// Matrix products of cuBLAS behind two functions. The emulation has its own (emulation/gemm.cpp).
#pragma once

#include <vector>

#include "kernels/cuda/support/launch.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

// What is done with the product while it is still in registers. bias_gradient: bias[n] = Σ_k of b, an output.
enum class Epilogue : std::int32_t { none, bias, bias_gradient };

// Row-major: c[m,n] = a[m,k] b[k,n], or c += a b. A transposed operand is stored the other way round.
struct Gemm {
  std::int64_t m, n, k;
  const float* a;
  std::int64_t lda;
  bool a_transposed;
  const float* b;
  std::int64_t ldb;
  bool b_transposed;
  float* c;
  std::int64_t ldc;
  bool accumulate;
  Epilogue epilogue;
  float* bias;
};

// In the precision that set_cuda_precision chose. Sums have a fixed order for a shape.
void gemm(const char* name, const Gemm& g);
// Whether there is a kernel of the library for this epilogue. Others than bias_gradient it always has.
bool gemm_exists(const char* name, const Gemm& g);

// What a batch is known by.
inline std::vector<const void*> pointers_of(const Gemm* gemms, std::int32_t count) {
  std::vector<const void*> pointers;
  for (std::int32_t i = 0; i < count; ++i) pointers.insert(pointers.end(), {gemms[i].a, gemms[i].b, gemms[i].c});
  return pointers;
}

// Several products that differ in their pointers alone, without epilogue.
void gemm_batched(const char* name, const Gemm* gemms, std::int32_t count);
inline constexpr std::int32_t kMostBatched = 64;

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

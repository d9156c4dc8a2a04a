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

// Of this thread.
Precision gemm_precision();

// Whether a batch may hold this product. The library chooses a batch's kernel without seeing its pointers: for tensor
// cores they must be aligned to 16 bytes (cublasGemmBatchedEx), or the kernel reads misaligned addresses.
inline bool gemm_fits_batch(const Gemm& g) {
  const auto aligned = [](const float* data) { return reinterpret_cast<std::uintptr_t>(data) % 16 == 0; };
  return gemm_precision() == Precision::fp32 || (aligned(g.a) && aligned(g.b) && aligned(g.c));
}

// Several products that differ in their pointers alone, without epilogue, each of which fits a batch.
void gemm_batched(const char* name, const Gemm* gemms, std::int32_t count);
inline constexpr std::int32_t kMostBatched = 64;

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

// Matrix products of cuBLASLt behind a function. The emulation has its own (emulation/gemm.cpp).
#pragma once

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

// Of this thread.
Precision gemm_precision();

// The kernel for this thread's precision.
template <typename Kernel>
Kernel* of_precision(Kernel* fp32, Kernel* tf32, Kernel* bf16) {
  switch (gemm_precision()) {
    case Precision::tf32:
      return tf32;
    case Precision::bf16:
      return bf16;
    default:
      return fp32;
  }
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

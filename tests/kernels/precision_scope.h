// The precision of products, for a test.
#pragma once

#include "tests/kernels/kernel_test.h"

namespace mal::test {

// The calling thread's products, on the devices that know precisions.
class PrecisionScope {
 public:
  explicit PrecisionScope(kernels::Precision precision) { set(precision); }
  ~PrecisionScope() { set(kernels::Precision::fp32); }
  PrecisionScope(const PrecisionScope&) = delete;
  PrecisionScope& operator=(const PrecisionScope&) = delete;

 private:
  static void set(kernels::Precision precision) {
    kernels::set_emulated_precision(precision);
#ifdef MAL_HAVE_CUDA
    if (tests_on_gpu()) kernels::set_cuda_precision(precision);
#endif
  }
};

}  // namespace mal::test

#include "kernels/cpu/parallel.h"

#include <omp.h>

#include "kernels/kernels.h"

// OpenBLAS's own setting; other CBLAS libraries do not have it.
extern "C" void openblas_set_num_threads(int threads) __attribute__((weak));

namespace mal::kernels {

void set_cpu_threads(int threads) {
  // Rows are split here; a product that BLAS split by the number of threads would have other bits. First, because the
  // OpenMP flavour of OpenBLAS sets the threads of the whole process.
  if (openblas_set_num_threads != nullptr) openblas_set_num_threads(1);
  omp_set_num_threads(threads > 0 ? threads : omp_get_num_procs());
}

int cpu_threads() {
  return omp_get_max_threads();
}

}  // namespace mal::kernels

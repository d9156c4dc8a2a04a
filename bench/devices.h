// For main.cpp and gpu_probe.cpp: which device is at hand, and what it can do at most.
#pragma once

#include <cstdint>

namespace mal::bench {

void choose_cpu();
// Only where kernels::probe_cuda has found one. Without `measure` its ceilings are zeros.
void choose_gpu(bool measure = true);
// Of the chosen GPU, a second: flops of a product of size × size matrices in the precision of the thread
// (kernels::set_cuda_precision), bytes of a copy of 512 MiB, read and written both counted.
double gpu_flops(std::int64_t size);
double gpu_bytes();

}  // namespace mal::bench

// For main.cpp: which device is at hand. Measures its ceilings.
#pragma once

namespace mal::bench {

void choose_cpu();
void choose_gpu();  // only where kernels::probe_cuda has found one

}  // namespace mal::bench

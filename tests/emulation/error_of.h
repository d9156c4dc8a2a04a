// For tests of what the execution model refuses.
#pragma once

#include <string>

#include "kernels/cuda/cuda_kernels.h"

namespace mal::kernels::emulated {

// What body() throws as a KernelError says; "" if it throws none.
template <typename Body>
std::string error_of(const Body& body) {
  try {
    body();
  } catch (const KernelError& error) {
    return error.what();
  }
  return "";
}

}  // namespace mal::kernels::emulated

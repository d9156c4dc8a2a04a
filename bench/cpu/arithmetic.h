// Multiplying and adding in registers, as fast as an instruction set allows: what no kernel can be faster than.
#pragma once

#include <string>
#include <vector>

namespace mal::bench {

struct Arithmetic {
  std::string what;          // "fp32 multiply-adds"
  std::string instructions;  // "AVX-512"
  std::string missing;       // why it cannot run here; empty where it can
  double flops;              // of one call, a multiply-add counted as two
  void (*run)();             // on one thread
};

// fp32 at the widest that the processor has, and bf16 by dot products and by tiles, whether it has them or not.
Arithmetic widest_fp32();
Arithmetic bf16_dot_products();
Arithmetic bf16_tiles();

// Adds `size` floats, a multiple of 128, on a 64-byte boundary, with the widest loads. What keeps it from being left
// out.
using ReadLoop = float (*)(const float* values, std::size_t size);
ReadLoop widest_read();

}  // namespace mal::bench

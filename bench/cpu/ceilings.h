// What the CPU's threads (kernels::cpu_threads) can do at most, all together.
#pragma once

#include <string>
#include <vector>

namespace mal::bench {

struct CpuCeiling {
  std::string key;  // "fp32", "bf16_dot", "bf16_tiles", "copy", "copy_streamed", "update", "read", "read_l3", "read_l2"
  std::string what;     // in words, with the instruction set or the size of the arrays
  double rate;          // flops or bytes a second
  std::string missing;  // why it was not measured; rate is 0 then
  bool is_arithmetic() const { return key.starts_with("fp32") || key.starts_with("bf16"); }
};

std::vector<CpuCeiling> measure_cpu();

// One line each.
std::string in_words(const std::vector<CpuCeiling>& ceilings);

}  // namespace mal::bench

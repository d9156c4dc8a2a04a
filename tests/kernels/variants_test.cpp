// Which CPU kernels are chosen. That each of them is right is what the other tests ask, through for_each_device.
#include "kernels/cpu/variants.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>

#include "kernels/kernels.h"

namespace mal::test::variants {

using namespace mal::kernels;

// The flags of the first processor, as Linux names them; empty elsewhere.
std::set<std::string> flags_of_linux() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("flags")) continue;
    std::istringstream words(line.substr(line.find(':') + 1));
    return {std::istream_iterator<std::string>(words), {}};
  }
  return {};
}

std::string refusal_of(const std::string& name) {
  try {
    choose_cpu_variant(name);
  } catch (const CpuError& error) {
    return error.what();
  }
  return "";
}

TEST_CASE("the level of x86-64 is what Linux says of the processor", "[kernels][variants]") {
#ifdef __x86_64__
  const std::set<std::string> flags = flags_of_linux();
  REQUIRE(flags.contains("sse2"));
  const auto all = [&](const std::set<std::string>& wanted) { return std::ranges::includes(flags, wanted); };
  int level = 1;
  if (all({"pni", "ssse3", "cx16", "sse4_1", "sse4_2", "popcnt", "lahf_lm"})) level = 2;
  if (level == 2 && all({"fma", "movbe", "avx", "f16c", "bmi1", "avx2", "bmi2", "abm"})) level = 3;
  if (level == 3 && all({"avx512f", "avx512dq", "avx512cd", "avx512bw", "avx512vl"})) level = 4;
  CHECK(x86_level() == level);
#else
  CHECK(x86_level() == 0);
#endif
}

TEST_CASE("the widest variant is chosen, or the one that is named", "[kernels][variants]") {
  const std::vector<CpuVariant> usable = usable_cpu_variants();
  REQUIRE_FALSE(usable.empty());
  CHECK(choose_cpu_variant("").name == usable.back().name);
  std::set<const KernelTable*> tables;
  for (const CpuVariant& each : usable) {
    CHECK(choose_cpu_variant(each.name).table == each.table);
    CHECK(each.level <= x86_level());
    tables.insert(each.kernels());
  }
  CHECK(tables.size() == usable.size());
  CHECK(tables.contains(&cpu_kernels()));
  for (const CpuVariant& each : built_cpu_variants())
    if (each.level > x86_level())
      CHECK(refusal_of(each.name).starts_with("MAL_CPU=" + each.name + ": this processor does not have it; possible"));
}

TEST_CASE("a variant that this build lacks is refused with those that it has", "[kernels][variants]") {
  std::string names;
  for (const CpuVariant& each : usable_cpu_variants()) names += (names.empty() ? "" : ", ") + each.name;
  for (const std::string name : {"v9", "V2", " ", "x86-64-v2"})
    CHECK(refusal_of(name) == "MAL_CPU=" + name + ": this build does not have it; possible here: " + names);
}

TEST_CASE("each way to multiply has kernels of its own, and runs where Linux says that it can", "[kernels][variants]") {
  const std::set<std::string> flags = flags_of_linux();
  for (const CpuVariant& variant : usable_cpu_variants()) {
    INFO(variant.name);
    std::set<const KernelTable*> tables;
    for (const CpuProducts products : kAllCpuProducts)
      if (usable(variant, products)) tables.insert(variant.kernels(products));
    CHECK_FALSE(tables.contains(nullptr));
    const bool dots = usable(variant, CpuProducts::bf16_dots), tiles = usable(variant, CpuProducts::bf16_tiles);
    CHECK(tables.size() == std::size_t{3} + dots + tiles);
    if (variant.level != 4) continue;
    CHECK(dots == flags.contains("avx512_bf16"));
    CHECK((!tiles || flags.contains("amx_bf16")));
  }
}

std::string refusal_of(const CpuVariant& variant, Precision precision) {
  try {
    products_of(variant, precision);
  } catch (const PrecisionError& error) {
    return error.what();
  }
  return "";
}

TEST_CASE("a precision is refused where it cannot be had, and never replaced by another", "[kernels][variants]") {
  for (const CpuVariant& variant : usable_cpu_variants()) {
    INFO(variant.name);
    CHECK(products_of(variant, Precision::fp32) == CpuProducts::fp32);
    CHECK(refusal_of(variant, Precision::tf32) == "tf32 is a precision of GPUs; a CPU has fp32 and bf16");
    const bool dots = usable(variant, CpuProducts::bf16_dots), tiles = usable(variant, CpuProducts::bf16_tiles);
    const std::string refusal = refusal_of(variant, Precision::bf16);
    CHECK(refusal.empty() == (dots || tiles));
    if (dots || tiles)
      CHECK(products_of(variant, Precision::bf16) == (tiles ? CpuProducts::bf16_tiles : CpuProducts::bf16_dots));
    else if (flags_of_linux().contains("avx512_bf16"))
      CHECK(refusal == "the kernels for " + variant.instructions + " have no bf16; those of a build with " +
                           "-DMAL_MARCH=portable do, unless MAL_CPU names lesser ones");
    else
      CHECK(refusal == "bf16 needs a processor with AVX512-BF16 or AMX, which this one lacks");
  }
}

}  // namespace mal::test::variants

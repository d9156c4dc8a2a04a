#include "kernels/cpu/variants.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <iterator>

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif

// MAL_CPU_VARIANTS: VARIANT(symbol, "name", "instructions", level) for each, from narrow to wide; made by CMake.
namespace mal::kernels {

#define VARIANT(symbol, name, instructions, level) const KernelTable* symbol(CpuProducts);
extern "C" {
MAL_CPU_VARIANTS
}
#undef VARIANT

namespace {

#if defined(__x86_64__)
struct Registers {
  std::uint32_t a = 0, b = 0, c = 0, d = 0;
  bool all_of(std::uint32_t Registers::*member, std::initializer_list<int> bits) const {
    return std::ranges::all_of(bits, [&](int bit) { return (this->*member >> bit & 1U) != 0; });
  }
};

// Zeros where the processor has no such leaf.
Registers cpuid(std::uint32_t leaf, std::uint32_t part = 0) {
  Registers r;
  __get_cpuid_count(leaf, part, &r.a, &r.b, &r.c, &r.d);
  return r;
}

// Which registers the operating system saves (XCR0).
std::uint32_t saved_registers() {
  std::uint32_t low = 0, high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

// Of the psABI, with the bits of Intel's manual, CPUID.
int level_of_processor() {
  constexpr std::uint32_t kVectors256 = 0x06, kVectors512 = 0xE6;
  const Registers basic = cpuid(1), extended = cpuid(7), amd = cpuid(0x80000001U);
  // SSE3, SSSE3, CMPXCHG16B, SSE4.1, SSE4.2, POPCNT; LAHF.
  if (!basic.all_of(&Registers::c, {0, 9, 13, 19, 20, 23}) || !amd.all_of(&Registers::c, {0})) return 1;
  // FMA, MOVBE, OSXSAVE, AVX, F16C; BMI1, AVX2, BMI2; LZCNT.
  if (!basic.all_of(&Registers::c, {12, 22, 27, 28, 29}) || !extended.all_of(&Registers::b, {3, 5, 8}) ||
      !amd.all_of(&Registers::c, {5}) || (saved_registers() & kVectors256) != kVectors256)
    return 2;
  // AVX-512 F, DQ, CD, BW, VL.
  if (!extended.all_of(&Registers::b, {16, 17, 28, 30, 31}) || (saved_registers() & kVectors512) != kVectors512)
    return 3;
  return 4;
}

bool has_bf16_dots() {
  return level_of_processor() == 4 && cpuid(7, 1).all_of(&Registers::a, {5});
}

// The system must save the tiles' registers, and allow them: their state takes eight kilobytes a thread, so that Linux
// wants to be asked. The answer holds for all threads.
bool has_bf16_tiles() {
  constexpr std::uint32_t kTileRegisters = 0x60000;
  if (!has_bf16_dots() || !cpuid(7).all_of(&Registers::d, {22, 24}) ||
      (saved_registers() & kTileRegisters) != kTileRegisters)
    return false;
#ifdef __linux__
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}
#else
bool has_bf16_dots() {
  return false;
}
bool has_bf16_tiles() {
  return false;
}
int level_of_processor() {
  return 0;
}
#endif

bool processor_has(CpuProducts products) {
  static const bool dots = has_bf16_dots(), tiles = has_bf16_tiles();
  switch (products) {
    case CpuProducts::bf16_dots:
      return dots;
    case CpuProducts::bf16_tiles:
      return tiles;
    case CpuProducts::fp32:
    case CpuProducts::emulated_bf16_dots:
    case CpuProducts::emulated_bf16_tiles:
      return true;
  }
  return false;
}

std::string names_of(const std::vector<CpuVariant>& variants) {
  std::string text;
  for (const CpuVariant& each : variants) text += (text.empty() ? "" : ", ") + each.name;
  return text;
}

std::string wanted_variant() {
  const char* const name = std::getenv("MAL_CPU");
  return name == nullptr ? "" : name;
}

}  // namespace

int x86_level() {
  static const int level = level_of_processor();
  return level;
}

const std::vector<CpuVariant>& built_cpu_variants() {
#define VARIANT(symbol, name, instructions, level) {name, instructions, level, symbol},
  static const std::vector<CpuVariant> variants = {MAL_CPU_VARIANTS};
#undef VARIANT
  return variants;
}

std::vector<CpuVariant> usable_cpu_variants() {
  std::vector<CpuVariant> usable;
  std::ranges::copy_if(built_cpu_variants(), std::back_inserter(usable),
                       [](const CpuVariant& each) { return each.level <= x86_level(); });
  return usable;
}

CpuVariant choose_cpu_variant(std::string_view name) {
  const std::vector<CpuVariant> usable = usable_cpu_variants();
  if (usable.empty())
    throw CpuError("this build needs a processor with " + built_cpu_variants().front().instructions +
                   ", which this one is not; build with -DMAL_MARCH=native");
  if (name.empty()) return usable.back();
  const auto named = [&](const CpuVariant& each) { return each.name == name; };
  const auto found = std::ranges::find_if(usable, named);
  if (found != usable.end()) return *found;
  const bool built = std::ranges::any_of(built_cpu_variants(), named);
  throw CpuError("MAL_CPU=" + std::string(name) + ": " +
                 (built ? "this processor does not have it" : "this build does not have it") +
                 "; possible here: " + names_of(usable));
}

const CpuVariant& cpu_variant() {
  static const CpuVariant variant = choose_cpu_variant(wanted_variant());
  return variant;
}

bool usable(const CpuVariant& variant, CpuProducts products) {
  return processor_has(products) && variant.kernels(products) != nullptr;
}

CpuProducts products_of(const CpuVariant& variant, Precision precision) {
  if (precision == Precision::fp32) return CpuProducts::fp32;
  if (precision == Precision::tf32) throw PrecisionError("tf32 is a precision of GPUs; a CPU has fp32 and bf16");
  for (const CpuProducts each : {CpuProducts::bf16_tiles, CpuProducts::bf16_dots})
    if (usable(variant, each)) return each;
  if (!processor_has(CpuProducts::bf16_dots))
    throw PrecisionError("bf16 needs a processor with AVX512-BF16 or AMX, which this one lacks");
  throw PrecisionError("the kernels for " + variant.instructions + " have no bf16; those of a build with " +
                       "-DMAL_MARCH=portable do, unless MAL_CPU names lesser ones");
}

std::string_view name_of(CpuProducts products) {
  switch (products) {
    case CpuProducts::fp32:
      return "fp32";
    case CpuProducts::bf16_dots:
      return "AVX512-BF16";
    case CpuProducts::bf16_tiles:
      return "AMX";
    case CpuProducts::emulated_bf16_dots:
      return "AVX512-BF16, emulated";
    case CpuProducts::emulated_bf16_tiles:
      return "AMX, emulated";
  }
  return "";
}

const KernelTable& cpu_kernels(Precision precision) {
  const CpuVariant& variant = cpu_variant();
  return *variant.kernels(products_of(variant, precision));
}

}  // namespace mal::kernels

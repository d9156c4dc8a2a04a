// Compiled for any processor of the architecture: each function says which instructions it needs, and the processor at
// hand is asked before one is called.
#include "bench/cpu/arithmetic.h"

#include <array>
#include <cstdint>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <numeric>
#endif

namespace mal::bench {

namespace {

constexpr std::int64_t kSteps = 1 << 20;
// A multiply-add takes four or five cycles and two begin in each: ten at least must be under way. Sixteen registers
// hold twelve sums and the operands, thirty-two hold twenty.
constexpr int kSums = 12, kManySums = 20;

// What the compiler does not know: read from here, or written to here. Sums that began alike would be one for it.
volatile float factor_of_sums = 0.999F, term_of_sums = 0.001F, result_of_sums;

template <int sums>
constexpr double flops_of(int products_a_sum) {
  return 2.0 * static_cast<double>(kSteps) * sums * products_a_sum;
}

// Four wide on any x86-64, where a multiplication and an addition are two instructions.
void multiply_add_plain() {
  using Vector = float __attribute__((vector_size(16)));
  const Vector factor = Vector{} + factor_of_sums, term = Vector{} + term_of_sums;
  Vector x[kSums];
  for (Vector& value : x) value = Vector{} + term_of_sums;
  for (std::int64_t step = 0; step < kSteps; ++step) {
#pragma GCC unroll 12
    for (int i = 0; i < kSums; ++i) x[i] = x[i] * factor + term;
  }
  Vector sum{};
  for (const Vector& value : x) sum += value;
  result_of_sums = sum[0] + sum[1] + sum[2] + sum[3];
}

float read_plain(const float* values, std::size_t size) {
  using Vector = float __attribute__((vector_size(16)));
  Vector sums[8] = {};
  for (std::size_t i = 0; i < size; i += 32) {
#pragma GCC unroll 8
    for (std::size_t k = 0; k < 8; ++k) sums[k] += *reinterpret_cast<const Vector*>(values + i + 4 * k);
  }
  Vector sum{};
  for (const Vector& value : sums) sum += value;
  return sum[0] + sum[1] + sum[2] + sum[3];
}

#if defined(__x86_64__)
[[gnu::target("avx2,fma")]] float sum_of(__m256 x) {
  alignas(32) float lanes[8];
  _mm256_store_ps(lanes, x);
  return std::accumulate(lanes, lanes + 8, 0.0F);
}

// Not _mm512_reduce_add_ps, in which GCC 12 warns of its own header.
[[gnu::target("avx512f")]] float sum_of(__m512 x) {
  alignas(64) float lanes[16];
  _mm512_store_ps(lanes, x);
  return std::accumulate(lanes, lanes + 16, 0.0F);
}

[[gnu::target("avx2,fma")]] void multiply_add_avx2() {
  const __m256 factor = _mm256_set1_ps(factor_of_sums), term = _mm256_set1_ps(term_of_sums);
  __m256 x[kSums];
  for (__m256& value : x) value = _mm256_set1_ps(term_of_sums);
  for (std::int64_t step = 0; step < kSteps; ++step) {
#pragma GCC unroll 12
    for (int i = 0; i < kSums; ++i) x[i] = _mm256_fmadd_ps(x[i], factor, term);
  }
  __m256 sum = _mm256_setzero_ps();
  for (const __m256& value : x) sum = _mm256_add_ps(sum, value);
  result_of_sums = sum_of(sum);
}

[[gnu::target("avx512f")]] void multiply_add_avx512() {
  const __m512 factor = _mm512_set1_ps(factor_of_sums), term = _mm512_set1_ps(term_of_sums);
  __m512 x[kManySums];
  for (__m512& value : x) value = _mm512_set1_ps(term_of_sums);
  for (std::int64_t step = 0; step < kSteps; ++step) {
#pragma GCC unroll 20
    for (int i = 0; i < kManySums; ++i) x[i] = _mm512_fmadd_ps(x[i], factor, term);
  }
  __m512 sum = _mm512_setzero_ps();
  for (const __m512& value : x) sum = _mm512_add_ps(sum, value);
  result_of_sums = sum_of(sum);
}

// Each of the sixteen sums of a register takes two products.
[[gnu::target("avx512f,avx512vl,avx512bf16")]] void dot_products_avx512() {
  // The upper half of a float is the bf16 below it.
  const float factor = factor_of_sums;
  std::uint32_t bits;
  std::memcpy(&bits, &factor, sizeof bits);
  const __m512bh operand = (__m512bh)_mm512_set1_epi16(static_cast<short>(bits >> 16));
  __m512 x[kManySums];
  for (__m512& value : x) value = _mm512_set1_ps(term_of_sums);
  for (std::int64_t step = 0; step < kSteps; ++step) {
#pragma GCC unroll 20
    for (int i = 0; i < kManySums; ++i) x[i] = _mm512_dpbf16_ps(x[i], operand, operand);
  }
  __m512 sum = _mm512_setzero_ps();
  for (const __m512& partial : x) sum = _mm512_add_ps(sum, partial);
  result_of_sums = sum_of(sum);
}

// Palette 1 (Intel SDM, LDTILECFG): bytes 16–31 the bytes of a row of each tile, bytes 48–55 the rows of each.
struct alignas(64) TileConfig {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TileConfig) == 64);

// A product of tiles begins every 16 cycles and takes 52: four sums (tiles 0–3) of two by two operands (4, 5 and 6, 7).
constexpr std::int64_t kTileSteps = kSteps / 16;
constexpr float kTileSum = 32.0F * kTileSteps;  // of products of 1 × 1: exact

constexpr std::array<std::uint16_t, 16 * 32> tile_of_ones() {
  std::array<std::uint16_t, 16 * 32> ones{};
  ones.fill(0x3F80);
  return ones;
}

[[gnu::target("amx-tile,amx-bf16")]] void tile_products() {
  // Static, since the intrinsics tell the compiler of the first bytes alone that they read.
  static constexpr TileConfig kConfig;
  alignas(64) static constexpr std::array<std::uint16_t, 16 * 32> kOnes = tile_of_ones();
  alignas(64) float sums[16 * 16];
  _tile_loadconfig(&kConfig);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_loadd(4, kOnes.data(), 64);
  _tile_loadd(5, kOnes.data(), 64);
  _tile_loadd(6, kOnes.data(), 64);
  _tile_loadd(7, kOnes.data(), 64);
  for (std::int64_t step = 0; step < kTileSteps; ++step) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(3, sums, 64);
  _tile_release();
  result_of_sums = sums[16 * 16 - 1];
}

[[gnu::target("avx2,fma")]] float read_avx2(const float* values, std::size_t size) {
  __m256 sums[8] = {};
  for (std::size_t i = 0; i < size; i += 64) {
#pragma GCC unroll 8
    for (std::size_t k = 0; k < 8; ++k) sums[k] = _mm256_add_ps(sums[k], _mm256_load_ps(values + i + 8 * k));
  }
  __m256 sum = _mm256_setzero_ps();
  for (const __m256& value : sums) sum = _mm256_add_ps(sum, value);
  return sum_of(sum);
}

[[gnu::target("avx512f")]] float read_avx512(const float* values, std::size_t size) {
  __m512 sums[8] = {};
  for (std::size_t i = 0; i < size; i += 128) {
#pragma GCC unroll 8
    for (std::size_t k = 0; k < 8; ++k) sums[k] = _mm512_add_ps(sums[k], _mm512_load_ps(values + i + 16 * k));
  }
  __m512 sum = _mm512_setzero_ps();
  for (const __m512& value : sums) sum = _mm512_add_ps(sum, value);
  return sum_of(sum);
}

bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

// Empty, or why there are no tiles for bf16: the processor must have them (leaf 7, edx bits 22 and 24), and the system
// must let this process use them, which it asks for since their state takes eight kilobytes.
std::string tiles_missing() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kBf16 = 1U << 22, kTiles = 1U << 24;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (d & kBf16) == 0 || (d & kTiles) == 0)
    return "the processor has none";
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  if (syscall(SYS_arch_prctl, kRequestPermission, kTileData) != 0)
    return std::string("the system does not allow them (arch_prctl: ") + std::strerror(errno) + ")";
  tile_products();
  return result_of_sums == kTileSum ? "" : "their sums are wrong";
}
#endif

}  // namespace

Arithmetic widest_fp32() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f"))
    return {"fp32 multiply-adds", "AVX-512", "", flops_of<kManySums>(16), multiply_add_avx512};
  if (has_avx2()) return {"fp32 multiply-adds", "AVX2 and FMA", "", flops_of<kSums>(8), multiply_add_avx2};
  return {"fp32 multiply-adds", "SSE2", "", flops_of<kSums>(4), multiply_add_plain};
#else
  return {"fp32 multiply-adds", "four wide", "", flops_of<kSums>(4), multiply_add_plain};
#endif
}

Arithmetic bf16_dot_products() {
  Arithmetic result{"bf16 dot products", "AVX512-BF16", "the processor has none", 0, nullptr};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vl"))
    result = {result.what, result.instructions, "", flops_of<kManySums>(32), dot_products_avx512};
#endif
  return result;
}

Arithmetic bf16_tiles() {
  Arithmetic result{"bf16 tiles", "AMX", "the processor has none", 0, nullptr};
#if defined(__x86_64__)
  result.missing = tiles_missing();
  // 16 × 16 sums of 32 products each.
  if (result.missing.empty()) {
    result.flops = 2.0 * 4 * static_cast<double>(kTileSteps) * 16 * 16 * 32;
    result.run = tile_products;
  }
#endif
  return result;
}

ReadLoop widest_read() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return read_avx512;
  if (has_avx2()) return read_avx2;
#endif
  return read_plain;
}

}  // namespace mal::bench

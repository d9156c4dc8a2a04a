// XXH3 (64 bits, seed 0; Yann Collet's published algorithm), which numbers vocabulary values and hash buckets as the
// training data was, and CRC-32C, which notices changed bytes.
#pragma once

#include "model/inference/source/result.h"

namespace mal::infer::detail {

namespace xxh3 {

inline constexpr std::uint64_t kPrime32[3] = {0x9E3779B1U, 0x85EBCA77U, 0xC2B2AE3DU};
inline constexpr std::uint64_t kPrime64[5] = {0x9E3779B185EBCA87U, 0xC2B2AE3D27D4EB4FU, 0x165667B19E3779F9U,
                                              0x85EBCA77C2B2AE63U, 0x27D4EB2F165667C5U};
inline constexpr std::uint64_t kMixFirst = 0x165667919E3779F9U, kMixSecond = 0x9FB21C651E98DF25U;
inline constexpr std::size_t kSecretSize = 192;

inline constexpr unsigned char kSecret[kSecretSize] = {
    0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c, 0xde, 0xd4,
    0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f, 0xcb, 0x79, 0xe6, 0x4e,
    0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21, 0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43,
    0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26, 0x4c, 0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb,
    0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3, 0x71, 0x64, 0x48, 0x97, 0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19,
    0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8, 0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c, 0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7,
    0xc7, 0x0b, 0x4f, 0x1d, 0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31, 0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78,
    0x73, 0x64, 0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3, 0xc5, 0x81, 0xa0, 0xff, 0xfa, 0x13, 0x63, 0xeb,
    0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3, 0x16, 0x55, 0x26, 0x29, 0xd4, 0x68, 0x9e, 0x2b, 0x16,
    0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc, 0x8f, 0xf8, 0xb8, 0xd1, 0x7a, 0xd0, 0x31, 0xce, 0x45, 0xcb, 0x3a, 0x8f,
    0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb, 0xca, 0xbb, 0x4b, 0x40, 0x7e};

inline std::uint64_t read64(const unsigned char* at) {
  return load_as<std::uint64_t>(at);
}
inline std::uint64_t read32(const unsigned char* at) {
  return load_as<std::uint32_t>(at);
}
inline std::uint64_t rotated(std::uint64_t x, int by) {
  return x << by | x >> (64 - by);
}
inline std::uint64_t swapped32(std::uint64_t x) {
  return (x & 0xFF) << 24 | (x & 0xFF00) << 8 | (x >> 8 & 0xFF00) | (x >> 24 & 0xFF);
}
inline std::uint64_t swapped64(std::uint64_t x) {
  return swapped32(x & 0xFFFFFFFFU) << 32 | swapped32(x >> 32);
}

// The two halves of the 128-bit product, combined.
inline std::uint64_t folded_product(std::uint64_t a, std::uint64_t b) {
#if defined(__SIZEOF_INT128__)
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
#else
  const std::uint64_t low = (a & 0xFFFFFFFFU) * (b & 0xFFFFFFFFU), high = (a >> 32) * (b >> 32);
  const std::uint64_t cross = (low >> 32) + (a >> 32) * (b & 0xFFFFFFFFU);
  const std::uint64_t other = (cross & 0xFFFFFFFFU) + (a & 0xFFFFFFFFU) * (b >> 32);
  return (other << 32 | (low & 0xFFFFFFFFU)) ^ (high + (cross >> 32) + (other >> 32));
#endif
}

inline std::uint64_t avalanche(std::uint64_t h) {
  h ^= h >> 37;
  h *= kMixFirst;
  return h ^ h >> 32;
}
inline std::uint64_t short_avalanche(std::uint64_t h) {
  h ^= h >> 33;
  h *= kPrime64[1];
  h ^= h >> 29;
  h *= kPrime64[2];
  return h ^ h >> 32;
}
inline std::uint64_t mix16(const unsigned char* in, const unsigned char* secret) {
  return folded_product(read64(in) ^ read64(secret), read64(in + 8) ^ read64(secret + 8));
}

MAL_INFER_NOINLINE inline std::uint64_t up_to_16(const unsigned char* in, std::size_t n) {
  if (n > 8) {
    const std::uint64_t low = read64(in) ^ read64(kSecret + 24) ^ read64(kSecret + 32);
    const std::uint64_t high = read64(in + n - 8) ^ read64(kSecret + 40) ^ read64(kSecret + 48);
    return avalanche(n + swapped64(low) + high + folded_product(low, high));
  }
  if (n >= 4) {
    std::uint64_t h = (read32(in + n - 4) + (read32(in) << 32)) ^ read64(kSecret + 8) ^ read64(kSecret + 16);
    h ^= rotated(h, 49) ^ rotated(h, 24);
    h *= kMixSecond;
    h ^= (h >> 35) + n;
    h *= kMixSecond;
    return h ^ h >> 28;
  }
  if (n == 0) return short_avalanche(read64(kSecret + 56) ^ read64(kSecret + 64));
  const std::uint64_t bytes = std::uint64_t{in[0]} << 16 | std::uint64_t{in[n / 2]} << 24 | in[n - 1] | n << 8;
  return short_avalanche(bytes ^ read32(kSecret) ^ read32(kSecret + 4));
}

MAL_INFER_NOINLINE inline std::uint64_t up_to_240(const unsigned char* in, std::size_t n) {
  std::uint64_t sum = n * kPrime64[0];
  if (n <= 128) {
    for (std::size_t i = (n - 1) / 32 + 1; i-- > 0;)
      sum += mix16(in + 16 * i, kSecret + 32 * i) + mix16(in + n - 16 * (i + 1), kSecret + 32 * i + 16);
    return avalanche(sum);
  }
  for (std::size_t i = 0; i < 8; ++i) sum += mix16(in + 16 * i, kSecret + 16 * i);
  sum = avalanche(sum);
  for (std::size_t i = 8; i < n / 16; ++i) sum += mix16(in + 16 * i, kSecret + 16 * (i - 8) + 3);
  return avalanche(sum + mix16(in + n - 16, kSecret + 136 - 17));
}

inline void add_stripe(std::uint64_t* sums, const unsigned char* in, const unsigned char* secret) {
  for (std::size_t i = 0; i < 8; ++i) {
    const std::uint64_t value = read64(in + 8 * i), key = value ^ read64(secret + 8 * i);
    sums[i ^ 1] += value;
    sums[i] += (key & 0xFFFFFFFFU) * (key >> 32);
  }
}

MAL_INFER_NOINLINE inline std::uint64_t long_text(const unsigned char* in, std::size_t n) {
  constexpr std::size_t kStripe = 64, kStripes = (kSecretSize - kStripe) / 8, kBlock = kStripe * kStripes;
  std::uint64_t sums[8] = {kPrime32[2], kPrime64[0], kPrime64[1], kPrime64[2],
                           kPrime64[3], kPrime32[1], kPrime64[4], kPrime32[0]};
  const std::size_t blocks = (n - 1) / kBlock;
  for (std::size_t b = 0; b < blocks; ++b) {
    for (std::size_t s = 0; s < kStripes; ++s) add_stripe(sums, in + b * kBlock + s * kStripe, kSecret + 8 * s);
    for (std::size_t i = 0; i < 8; ++i) {
      sums[i] ^= sums[i] >> 47;
      sums[i] = (sums[i] ^ read64(kSecret + kSecretSize - kStripe + 8 * i)) * kPrime32[0];
    }
  }
  const std::size_t rest = (n - 1 - blocks * kBlock) / kStripe;
  for (std::size_t s = 0; s < rest; ++s) add_stripe(sums, in + blocks * kBlock + s * kStripe, kSecret + 8 * s);
  add_stripe(sums, in + n - kStripe, kSecret + kSecretSize - kStripe - 7);
  std::uint64_t h = n * kPrime64[0];
  for (std::size_t i = 0; i < 4; ++i)
    h += folded_product(sums[2 * i] ^ read64(kSecret + 11 + 16 * i), sums[2 * i + 1] ^ read64(kSecret + 19 + 16 * i));
  return avalanche(h);
}

}  // namespace xxh3

inline std::uint64_t xxh3_64(std::string_view text) {
  const auto* in = reinterpret_cast<const unsigned char*>(text.data());
  if (text.size() <= 16) return xxh3::up_to_16(in, text.size());
  if (text.size() <= 240) return xxh3::up_to_240(in, text.size());
  return xxh3::long_text(in, text.size());
}

struct CrcTable {
  std::uint32_t of[256];
  constexpr CrcTable() : of{} {
    constexpr std::uint32_t kPolynomial = 0x82F63B78U;  // Castagnoli, reflected
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t crc = i;
      for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1U) != 0 ? kPolynomial : 0U);
      of[i] = crc;
    }
  }
};
inline constexpr CrcTable kCrcTable;

#if MAL_INFER_X86 && defined(__x86_64__)
__attribute__((target("sse4.2"))) inline std::uint32_t crc32c_sse42(std::uint32_t crc, const unsigned char* at,
                                                                    std::size_t n) {
  std::uint64_t wide = crc;
  for (; n >= 8; n -= 8, at += 8) wide = _mm_crc32_u64(wide, load_as<std::uint64_t>(at));
  crc = static_cast<std::uint32_t>(wide);
  for (; n > 0; --n, ++at) crc = _mm_crc32_u8(crc, *at);
  return crc;
}
#endif

// Continues `before`, the CRC of what came earlier (0 at the start).
inline std::uint32_t crc32c(const void* data, std::size_t n, std::uint32_t before = 0) {
  const auto* at = static_cast<const unsigned char*>(data);
  std::uint32_t crc = ~before;
#if MAL_INFER_X86 && defined(__x86_64__)
  static const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
  if (has_instruction) return ~crc32c_sse42(crc, at, n);
#endif
  for (; n > 0; --n, ++at) crc = crc >> 8 ^ kCrcTable.of[(crc ^ *at) & 0xFFU];
  return ~crc;
}

}  // namespace mal::infer::detail

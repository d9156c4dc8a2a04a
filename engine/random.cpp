#include "engine/random.h"

#include <cmath>
#include <numbers>

namespace mal {

namespace {

constexpr std::uint32_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
constexpr std::uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
constexpr int kRounds = 10;
__extension__ using Wide = unsigned __int128;

// FNV-1a, then a finaliser: stream names are short and few, so 64 bits never collide in practice.
std::uint64_t hash_name(std::string_view name) {
  std::uint64_t hash = 0xCBF29CE484222325;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  hash ^= hash >> 33;
  hash *= 0xFF51AFD7ED558CCD;
  return hash ^ (hash >> 33);
}

}  // namespace

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> c, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t p0 = static_cast<std::uint64_t>(kMultiplier0) * c[0];
    const std::uint64_t p1 = static_cast<std::uint64_t>(kMultiplier1) * c[2];
    c = {static_cast<std::uint32_t>(p1 >> 32) ^ c[1] ^ key[0], static_cast<std::uint32_t>(p1),
         static_cast<std::uint32_t>(p0 >> 32) ^ c[3] ^ key[1], static_cast<std::uint32_t>(p0)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return c;
}

Random::Random(std::uint64_t seed, std::string_view stream)
    : key_{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)} {
  const std::uint64_t name = hash_name(stream);
  stream_ = {static_cast<std::uint32_t>(name), static_cast<std::uint32_t>(name >> 32)};
}

std::array<std::uint32_t, 4> Random::block(std::uint64_t index) const {
  return philox4x32(
      {static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32), stream_[0], stream_[1]}, key_);
}

std::uint64_t Random::bits(std::uint64_t index) const {
  const auto b = block(index);
  return (static_cast<std::uint64_t>(b[1]) << 32) | b[0];
}

double Random::uniform(std::uint64_t index) const {
  return static_cast<double>(bits(index) >> 11) * 0x1p-53;
}

double Random::normal(std::uint64_t index) const {
  const auto b = block(index);
  // (0, 1], so that the logarithm is finite.
  const double u = (static_cast<double>(b[0]) + 1.0) * 0x1p-32;
  const double v = static_cast<double>(b[1]) * 0x1p-32;
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
}

std::uint64_t Random::below(std::uint64_t index, std::uint64_t n) const {
  // 128-bit multiply: bias below 2^-64 · n.
  return static_cast<std::uint64_t>((static_cast<Wide>(bits(index)) * n) >> 64);
}

}  // namespace mal

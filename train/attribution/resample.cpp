#include "train/attribution/resample.h"

#include <cmath>

namespace mal {

namespace {

constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15;

std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

std::uint64_t fnv1a(std::string_view text) {
  std::uint64_t hash = 0xCBF29CE484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  return hash;
}

}  // namespace

UserWeights::UserWeights(std::uint64_t seed) : seed_(mix(seed)) {
  double term = std::exp(-1.0), below = 0;
  for (std::size_t k = 0; k < kMost; ++k) {
    below += term;
    limits_[k] = static_cast<std::uint32_t>(std::fmin(below * 0x1p32, 0xFFFFFFFFp0));
    term /= static_cast<double>(k + 1);
  }
}

void UserWeights::draw(std::string_view user, std::span<std::uint8_t> weights) const {
  std::uint64_t state = mix(fnv1a(user) ^ seed_);
  for (std::uint8_t& weight : weights) {
    state += kGolden;
    const auto drawn = static_cast<std::uint32_t>(mix(state) >> 32);
    weight = 0;
    while (weight < kMost && limits_[weight] <= drawn) ++weight;
  }
}

}  // namespace mal

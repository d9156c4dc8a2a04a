#include "engine/random.h"

#include <catch2/catch.hpp>
#include <cmath>

using mal::Random;

TEST_CASE("philox gives the published known answers", "[random]") {
  using Block = std::array<std::uint32_t, 4>;
  // Random123's kat_vectors for philox4x32-10.
  CHECK(mal::philox4x32({0, 0, 0, 0}, {0, 0}) == Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(mal::philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
        Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(mal::philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("a stream depends on the seed, its name and the index alone", "[random]") {
  const Random a(1, "tower/weight"), same(1, "tower/weight"), other_seed(2, "tower/weight"), other(1, "tower/bias");
  CHECK(a.bits(5) == same.bits(5));
  CHECK(a.bits(5) != a.bits(6));
  CHECK(a.bits(5) != other_seed.bits(5));
  CHECK(a.bits(5) != other.bits(5));
}

TEST_CASE("moments of uniform, normal and below", "[random]") {
  const Random random(7, "moments");
  constexpr std::uint64_t kCount = 200000;
  double uniform = 0, normal = 0, square = 0, fourth = 0;
  std::array<int, 6> dice{};
  for (std::uint64_t i = 0; i < kCount; ++i) {
    const double u = random.uniform(i);
    REQUIRE((u >= 0 && u < 1));
    uniform += u;
    const double z = random.normal(i);
    REQUIRE(std::isfinite(z));
    normal += z;
    square += z * z;
    fourth += z * z * z * z;
    ++dice[random.below(i, 6)];
  }
  CHECK(uniform / kCount == Approx(0.5).margin(0.003));
  CHECK(normal / kCount == Approx(0).margin(0.01));
  CHECK(square / kCount == Approx(1).margin(0.02));
  CHECK(fourth / kCount == Approx(3).margin(0.1));
  for (const int count : dice) CHECK(count == Approx(kCount / 6.0).epsilon(0.03));
}

// The tensor cores' product: against loops, the layout of its fragments, rounding, and mistakes.
#include "kernels/cuda/support/mma.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace mal::kernels::emulated::mma {

using Catch::Matchers::Contains;

// c[16, 8] += a[16, 8] b[8, 8] by the documented layout (PTX ISA, mma.m16n8k8 with .tf32), with operands as they are.
__global__ void product(const float* a, const float* b, float* c) {
  const int lane = static_cast<int>(threadIdx.x), g = lane / 4, t = lane % 4;
  const float mine_a[4] = {a[g * 8 + t], a[(g + 8) * 8 + t], a[g * 8 + t + 4], a[(g + 8) * 8 + t + 4]};
  const float mine_b[2] = {b[t * 8 + g], b[(t + 4) * 8 + g]};
  float* const at[4] = {c + g * 8 + 2 * t, c + g * 8 + 2 * t + 1, c + (g + 8) * 8 + 2 * t, c + (g + 8) * 8 + 2 * t + 1};
  float mine_c[4] = {*at[0], *at[1], *at[2], *at[3]};
  mma_tf32(mine_c, mine_a, mine_b);
  for (int i = 0; i < 4; ++i) *at[i] = mine_c[i];
}

struct Matrices {
  std::vector<float> a = std::vector<float>(128), b = std::vector<float>(64), c = std::vector<float>(128);
  void multiply() { launch("product", product, 1, 32, 0, a.data(), b.data(), c.data()); }
};

TEST_CASE("mma_tf32 is a product of matrices", "[emulation]") {
  std::mt19937 engine(5);
  Matrices m;
  for (auto* values : {&m.a, &m.b, &m.c})
    for (float& value : *values) value = static_cast<float>(static_cast<int>(engine() % 2001) - 1000);  // 10 bits
  const std::vector<float> before = m.c;
  m.multiply();
  for (std::size_t r = 0; r < 16; ++r)
    for (std::size_t n = 0; n < 8; ++n) {
      float want = before[r * 8 + n];
      for (std::size_t k = 0; k < 8; ++k) want += m.a[r * 8 + k] * m.b[k * 8 + n];  // integers: exact
      CHECK(m.c[r * 8 + n] == want);
    }
}

TEST_CASE("mma_tf32 takes the upper bits of an operand and rounds its sum towards zero", "[emulation]") {
  Matrices m;
  m.a[0] = 1 + 0x1p-10F + 0x1p-11F + 0x1p-23F;
  m.b[0] = 1;
  m.a[8] = -1;
  m.c[8] = -0x1p25F;
  m.a[16] = 1 + 0x1p-10F;
  m.b[1] = 0x1p-24F + 0x1p-26F;
  m.c[17] = 1;
  m.multiply();
  CHECK(m.c[0] == 1 + 0x1p-10F);  // the rest of a is below 10 bits
  CHECK(m.c[8] == -0x1p25F);      // of −2^25 − 1
  CHECK(m.c[17] == 1);            // of 1 + 0.6 · 2^-23: the nearest is above
  m = {};
  m.a[0] = std::numeric_limits<float>::infinity();
  m.b[0] = 1;
  m.b[1] = std::numeric_limits<float>::quiet_NaN();
  m.multiply();
  CHECK(std::isinf(m.c[0]));
  CHECK(std::isnan(m.c[1]));
  CHECK(std::isnan(m.c[2]));  // infinity times zero
  CHECK(m.c[8] == 0);
  CHECK(std::isnan(m.c[9]));
}

TEST_CASE("operands are rounded to tf32 and bf16", "[emulation]") {
  CHECK(to_tf32(1 + 0x1p-11F) == 1 + 0x1p-10F);  // a tie, away from zero
  CHECK(to_tf32(-1 - 0x1p-11F) == -1 - 0x1p-10F);
  CHECK(to_tf32(1 + 0x1p-11F - 0x1p-23F) == 1);
  CHECK(to_tf32(2 - 0x1p-23F) == 2);
  CHECK(std::isinf(to_tf32(std::numeric_limits<float>::max())));
  CHECK(to_bf16(1 + 0x1p-8F) == 1);  // ties to even
  CHECK(to_bf16(1 + 0x1p-7F + 0x1p-8F) == 1 + 0x1p-6F);
  CHECK(to_bf16(1 + 0x1p-8F + 0x1p-20F) == 1 + 0x1p-7F);
  for (const auto round : {to_tf32, to_bf16}) {
    CHECK(round(-std::numeric_limits<float>::infinity()) == -std::numeric_limits<float>::infinity());
    CHECK(std::isnan(round(__uint_as_float(0x7F800001U))));
    CHECK(std::isnan(round(__uint_as_float(0xFFFFFFFFU))));
    CHECK(round(-0.0F) == 0);
  }
}

TEST_CASE("two parts of tf32 are nearly fp32, and an infinity stays one", "[emulation]") {
  std::mt19937 engine(6);
  Operand<Precision::fp32, 1> parts{};
  for (int i = 0; i < 1000; ++i) {
    const auto x = static_cast<float>(engine()) * 0x1p-31F - 1;
    parts.set(0, x);
    const double sum = static_cast<double>(parts.high[0]) + static_cast<double>(parts.low[0]);
    CHECK(std::abs(sum - static_cast<double>(x)) <= 0x1p-22 * std::abs(static_cast<double>(x)));
  }
  for (const float bad : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    parts.set(0, bad);
    CHECK_FALSE(std::isfinite(parts.high[0] + parts.low[0]));
  }
}

__global__ void half_a_product(float* out) {
  const float a[4] = {}, b[2] = {};
  float c[4] = {};
  if (threadIdx.x < 16) mma_tf32(c, a, b);
  out[threadIdx.x] = c[0];
}
__global__ void two_products(float* out) {
  const float a[4] = {}, b[2] = {};
  float c[4] = {};
  if (threadIdx.x % 2 == 0)
    mma_tf32(c, a, b);
  else
    mma_tf32(c, b[0] == 0 ? a : a, b);
  out[threadIdx.x] = c[0];
}

TEST_CASE("mma_tf32 by part of a warp, or at two places", "[emulation]") {
  std::vector<float> out(32);
  const auto error_of = [&](void (*kernel)(float*)) -> std::string {
    try {
      launch("mistake", kernel, 1, 32, 0, out.data());
    } catch (const KernelError& error) {
      return error.what();
    }
    return "";
  };
  CHECK_THAT(error_of(half_a_product),
             Contains("a warp operation lacks lanes") && Contains("threads 0-15 wait in mma_tf32 ("));
  CHECK_THAT(error_of(two_products), Contains("a warp operation lacks lanes") && Contains("mma_test.cpp"));
}

}  // namespace mal::kernels::emulated::mma

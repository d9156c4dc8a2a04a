// The precisions of products. The emulated twins of a GPU's library and of a CPU's instructions round operands as those
// do, so what is tested here on any machine is the size of the error, where it is made, and where it is not.
#include <cmath>

#include "tests/kernels/amx_trap.h"
#include "tests/kernels/kernel_test.h"
#include "tests/kernels/precision_scope.h"

namespace mal::test::precision {

using kernels::Activation;
using kernels::Precision;

// Of one operand at most, of 10 or 7 bits behind the point: half of the last one where it is rounded to the nearest, as
// the emulation does. A tensor core of a GPU reads the upper bits of tf32 operands and drops the others.
double roundoff(Precision precision, bool emulated) {
  if (precision == Precision::tf32) return emulated ? 0x1p-11 : 0x1p-10;
  return precision == Precision::bf16 ? 0x1p-8 : 0.0;
}

// a[m,k] b[k,n] in float64, and Σ |a b|: what an error is measured by.
struct Product {
  Product(std::int64_t m, std::int64_t k, std::int64_t n) : values(at(m * n)), sizes(at(m * n)), columns(n), depth(k) {}
  static std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }
  template <typename A, typename B>
  static Product of(std::int64_t m, std::int64_t k, std::int64_t n, const A& a, const B& b) {
    Product p(m, k, n);
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t l = 0; l < k; ++l)
        for (std::int64_t j = 0; j < n; ++j) {
          const double product = static_cast<double>(a(i, l)) * static_cast<double>(b(l, j));
          p.values[at(i * n + j)] += product;
          p.sizes[at(i * n + j)] += std::abs(product);
        }
    return p;
  }
  // The largest error of `got` in units of what rounding both operands may do at most; fp32: of its own sums. A GPU's
  // tensor cores drop what does not fit in a sum, too, where the emulation's sums are exact.
  double worst(const Matrix& got, Precision precision, bool emulated) const {
    const double u = roundoff(precision, emulated), sums = (u > 0 ? 0x1p-23 : 0x1p-24) * static_cast<double>(depth);
    double result = 0;
    for (std::int64_t i = 0; i < got.rows(); ++i)
      for (std::int64_t j = 0; j < columns; ++j) {
        const double error = std::abs(static_cast<double>(got.at(i, j)) - values[at(i * columns + j)]);
        result = std::max(result, error / (sizes[at(i * columns + j)] * (2 * u + u * u + sums)));
      }
    return result;
  }

  std::vector<double> values, sizes;
  std::int64_t columns, depth;
};

struct Worst {
  double y, dx, dw;
};
Worst run_layer(const KernelTable& kernels, Precision precision, std::int64_t inputs, std::int64_t outputs) {
  constexpr std::int64_t kRows = 67;
  const bool emulated = is_emulated(kernels);  // a GPU; a CPU has no tf32
  Draw draw(71);
  const Matrix x(draw, kRows, inputs), w(draw, inputs, outputs);
  Matrix y(kRows, outputs), dy(draw, kRows, outputs), dx(kRows, inputs), dw(inputs, outputs), db(1, outputs),
      workspace(1, kernels.linear_backward_workspace(kRows, inputs, outputs));
  kernels.linear_forward(x.data(), inputs, w.data(), nullptr, y.data(), outputs, kRows, inputs, outputs,
                         Activation::none);
  kernels.linear_backward(x.data(), inputs, w.data(), y.data(), outputs, dy.data(), outputs, dx.data(), inputs, false,
                          dw.data(), db.data(), kRows, inputs, outputs, Activation::none, workspace.data());
  const auto element = [](const Matrix& m) { return [&m](std::int64_t i, std::int64_t j) { return m.at(i, j); }; };
  const auto transposed = [](const Matrix& m) { return [&m](std::int64_t i, std::int64_t j) { return m.at(j, i); }; };
  return {Product::of(kRows, inputs, outputs, element(x), element(w)).worst(y, precision, emulated),
          Product::of(kRows, outputs, inputs, element(dy), transposed(w)).worst(dx, precision, emulated),
          Product::of(inputs, kRows, outputs, transposed(x), element(dy)).worst(dw, precision, emulated)};
}

// body(kernels, precision) for every device and each precision that it has.
template <typename Body>
void for_each_precision(const Body& body) {
  const auto run = [&](const KernelTable& kernels, Precision precision) {
    INFO("precision " << static_cast<int>(precision));
    body(kernels, precision);
  };
  for_each_device([&](const KernelTable& kernels) {
    if (is_cpu(kernels)) return run(kernels, Precision::fp32);
    for (const Precision precision : {Precision::fp32, Precision::tf32, Precision::bf16}) {
      const PrecisionScope scope(precision);
      run(kernels, precision);
    }
  });
  if (tests_on("cpu")) for_each_bf16_cpu([&](const KernelTable& kernels) { run(kernels, Precision::bf16); });
}

constexpr std::int64_t kInputs = 1100, kOutputs = 480;  // a product of a GPU's library
// The emulation of a CPU's instructions would take minutes for it.
std::pair<std::int64_t, std::int64_t> large_layer(const KernelTable& kernels) {
  return is_bf16_cpu(kernels) ? std::pair<std::int64_t, std::int64_t>{300, 70} : std::pair{kInputs, kOutputs};
}

TEST_CASE("tf32 and bf16 products are as exact as their operands, and in emulation no more", "[kernels][precision]") {
  for_each_precision([](const KernelTable& kernels, Precision precision) {
    const auto [inputs, outputs] = large_layer(kernels);
    const Worst worst = run_layer(kernels, precision, inputs, outputs);
    for (const double each : {worst.y, worst.dx, worst.dw}) {
      CHECK(each <= 1);
      // Rounded at all? Errors of a hundred products cancel to about a tenth of the most that they could be.
      // A GPU's library may, and need not: CUBLAS_COMPUTE_32F_FAST_TF32 permits it.
      if (precision != Precision::fp32 && (is_emulated(kernels) || is_cpu(kernels))) CHECK(each > 0.02);
    }
  });
}

TEST_CASE("layers of our own kernels are computed in each precision too", "[kernels][precision]") {
  for_each_precision([](const KernelTable& kernels, Precision precision) {
    for (const auto& [inputs, outputs] : {std::pair{64, 32}, {130, 66}, {48, 200}, {300, 8}, {250, 100}}) {
      INFO(inputs << " -> " << outputs);
      const Worst worst = run_layer(kernels, precision, inputs, outputs);
      for (const double each : {worst.y, worst.dx, worst.dw}) {
        CHECK(each <= 1);
        if (precision != Precision::fp32) CHECK(each > 0.02);  // these kernels round on every device
      }
    }
  });
}

TEST_CASE("operands of few bits give the same bits in every precision", "[kernels][precision]") {
  for_each_precision([](const KernelTable& kernels, Precision) {
    const auto [inputs, outputs] = large_layer(kernels);
    Draw draw(72);
    Matrix x(draw, 33, inputs), w(draw, inputs, outputs), y(33, outputs);
    for (Matrix* matrix : {&x, &w})
      for (std::int64_t i = 0; i < matrix->rows() * matrix->width(); ++i) {
        float& value = matrix->data()[i];
        value = std::round(value * 64) / 64;  // seven bits, all of their sums exact in fp32
      }
    kernels.linear_forward(x.data(), inputs, w.data(), nullptr, y.data(), outputs, 33, inputs, outputs,
                           Activation::none);
    const auto element = [](const Matrix& m) { return [&m](std::int64_t i, std::int64_t j) { return m.at(i, j); }; };
    CHECK(mismatch(y, Product::of(33, inputs, outputs, element(x), element(w)).values, 0) == "");
  });
}

TEST_CASE("what is not finite stays so in every precision", "[kernels][precision]") {
  for_each_precision([](const KernelTable& kernels, Precision) {
    const auto [inputs, large] = large_layer(kernels);
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()})
      for (const std::int64_t outputs : {large, std::int64_t{8}}) {  // of the library, and a small layer
        Draw draw(73);
        const Matrix x(draw, 5, inputs, 0, 0.5F, 1);
        Matrix w(draw, inputs, outputs), y(5, outputs);
        w.at(3, 2) = bad;
        const Vector<float> bias(static_cast<std::size_t>(outputs), 0.0F);
        kernels.linear_forward(x.data(), inputs, w.data(), bias.data(), y.data(), outputs, 5, inputs, outputs,
                               Activation::relu);
        for (std::int64_t r = 0; r < 5; ++r) {
          CHECK(!std::isfinite(y.at(r, 2)));
          CHECK(std::isfinite(y.at(r, 1)));
        }
      }
  });
}

// Of a whole layer, with numbers of every size that a float has.
Bits bits_of_layer(const KernelTable& kernels, float size) {
  constexpr std::int64_t kRows = 45, kIn = 67, kOut = 35;
  Draw draw(75);
  Matrix x(draw, kRows, kIn), w(draw, kIn, kOut), dy(draw, kRows, kOut);
  for (std::int64_t i = 0; i < kRows * kIn; ++i) x.data()[i] *= i % 5 == 0 ? 1 : size;
  const Matrix b(draw, 1, kOut);
  Matrix y(kRows, kOut), dx(kRows, kIn), dw(kIn, kOut), db(1, kOut),
      workspace(1, kernels.linear_backward_workspace(kRows, kIn, kOut));
  kernels.linear_forward(x.data(), kIn, w.data(), b.data(), y.data(), kOut, kRows, kIn, kOut, Activation::relu);
  kernels.linear_backward(x.data(), kIn, w.data(), y.data(), kOut, dy.data(), kOut, dx.data(), kIn, false, dw.data(),
                          db.data(), kRows, kIn, kOut, Activation::relu, workspace.data());
  return Bits().add(y).add(dx).add(dw).add(db);
}

TEST_CASE("a CPU's bf16 instructions give the bits of their emulated twins", "[kernels][precision]") {
  using kernels::CpuProducts;
  if (!tests_on("cpu")) return;
  int compared = 0;
  for (const kernels::CpuVariant& variant : kernels::usable_cpu_variants())
    for (const auto& [own, twin] : {std::pair{CpuProducts::bf16_dots, CpuProducts::emulated_bf16_dots},
                                    {CpuProducts::bf16_tiles, CpuProducts::emulated_bf16_tiles}}) {
      if (!kernels::usable(variant, own)) continue;
      ++compared;
      for (const float size : {1.0F, 1e-30F, 3e-38F, 1e-39F, 1e-44F, 1e30F, 3e38F}) {
        INFO(variant.name << ", " << kernels::name_of(own) << ", numbers of about " << size);
        CHECK(bool(bits_of_layer(*variant.kernels(own), size) == bits_of_layer(*variant.kernels(twin), size)));
      }
    }
  if (compared == 0) WARN("this processor has no bf16 instructions to compare");
}

#ifdef MAL_HAVE_AMX_TRAP
TEST_CASE("where AMX is missing, its kernels' instructions by themselves give these bits", "[kernels][precision]") {
  using kernels::CpuProducts;
  if (!tests_on("cpu")) return;
  const AmxTrap trap;
  const int threads = kernels::cpu_threads();
  int compared = 0;
  for (const kernels::CpuVariant& variant : kernels::usable_cpu_variants()) {
    const KernelTable* const tiles = variant.kernels(CpuProducts::bf16_tiles);
    // They round by AVX512-BF16. With AMX the test above is enough.
    if (tiles == nullptr || !kernels::usable(variant, CpuProducts::bf16_dots) ||
        kernels::usable(variant, CpuProducts::bf16_tiles))
      continue;
    ++compared;
    for (const float size : {1.0F, 3e-38F, 1e-39F, 3e38F})
      for (const int each : {1, 3}) {
        INFO(variant.name << ", numbers of about " << size << ", " << each << " threads");
        kernels::set_cpu_threads(each);
        const long before = AmxTrap::instructions();
        CHECK(bool(bits_of_layer(*tiles, size) ==
                   bits_of_layer(*variant.kernels(CpuProducts::emulated_bf16_tiles), size)));
        CHECK(AmxTrap::instructions() > before);
        CHECK_FALSE(AmxTrap::in_use());
      }
  }
  kernels::set_cpu_threads(threads);
  if (compared == 0) WARN("this build or this processor has nothing to compare");
}
#endif

TEST_CASE("ReLU of a layer lets NaN through, of a bias too and in a group", "[kernels][precision]") {
  for_each_device([](const KernelTable& kernels) {
    for (const std::int64_t outputs : {kOutputs, std::int64_t{8}})
      for (const std::int32_t count : {1, 3}) {
        INFO(outputs << " outputs, " << count << " layers");
        Draw draw(74);
        const Matrix x(draw, 5, kInputs), w(draw, kInputs, outputs);
        Matrix b(draw, 1, outputs);
        b.at(0, 2) = std::numeric_limits<float>::quiet_NaN();
        std::vector<Matrix> y(static_cast<std::size_t>(count), Matrix(5, outputs));
        std::vector<kernels::LinearForward> calls;
        for (Matrix& each : y) calls.push_back({x.data(), kInputs, w.data(), b.data(), each.data(), outputs});
        kernels.linear_group_forward(calls.data(), count, 5, kInputs, outputs, Activation::relu);
        for (const Matrix& each : y)
          for (std::int64_t r = 0; r < 5; ++r) {
            CHECK(std::isnan(each.at(r, 2)));
            CHECK(each.at(r, 1) >= 0);
          }
      }
  });
}

}  // namespace mal::test::precision

// The precisions of a GPU's products. The emulated twin of the library rounds operands as tensor cores do, so what is
// tested here without a GPU is the size of the error, where it is made, and where it is not.
#include <cmath>

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
  const bool emulated = is_emulated(kernels);
  Draw draw(71);
  const Matrix x(draw, kRows, inputs), w(draw, inputs, outputs);
  Matrix y(kRows, outputs), dy(draw, kRows, outputs), dx(kRows, inputs), dw(inputs, outputs), db(1, outputs),
      workspace(1, kernels.linear_backward_workspace(kRows, inputs, outputs));
  const PrecisionScope scope(precision);
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

// Not the CPU's: it knows fp32 alone.
template <typename Body>
void for_each_gpu(const Body& body) {
  for_each_device([&](const KernelTable& kernels) {
    if (!is_cpu(kernels)) body(kernels);
  });
}

constexpr std::int64_t kInputs = 1100, kOutputs = 480;  // a product of the library

TEST_CASE("tf32 and bf16 products are as exact as their operands, and in emulation no more", "[kernels][precision]") {
  for_each_gpu([](const KernelTable& kernels) {
    for (const Precision precision : {Precision::fp32, Precision::tf32, Precision::bf16}) {
      INFO("precision " << static_cast<int>(precision));
      const Worst worst = run_layer(kernels, precision, kInputs, kOutputs);
      for (const double each : {worst.y, worst.dx, worst.dw}) {
        CHECK(each <= 1);
        // Rounded at all? Errors of a hundred products cancel to about a tenth of the most that they could be.
        // A GPU's library may, and need not: CUBLAS_COMPUTE_32F_FAST_TF32 permits it.
        if (precision != Precision::fp32 && is_emulated(kernels)) CHECK(each > 0.02);
      }
    }
  });
}

TEST_CASE("layers of our own kernels are computed in each precision too", "[kernels][precision]") {
  for_each_gpu([](const KernelTable& kernels) {
    for (const auto& [inputs, outputs] : {std::pair{64, 32}, {130, 66}, {48, 200}, {300, 8}, {250, 100}})
      for (const Precision precision : {Precision::fp32, Precision::tf32, Precision::bf16}) {
        INFO(inputs << " -> " << outputs << ", precision " << static_cast<int>(precision));
        const Worst worst = run_layer(kernels, precision, inputs, outputs);
        for (const double each : {worst.y, worst.dx, worst.dw}) {
          CHECK(each <= 1);
          if (precision != Precision::fp32) CHECK(each > 0.02);  // these kernels round on every device
        }
      }
  });
}

TEST_CASE("operands of few bits give the same bits in every precision", "[kernels][precision]") {
  for_each_gpu([](const KernelTable& kernels) {
    Draw draw(72);
    Matrix x(draw, 33, kInputs), w(draw, kInputs, kOutputs);
    for (Matrix* matrix : {&x, &w})
      for (std::int64_t i = 0; i < matrix->rows() * matrix->width(); ++i) {
        float& value = matrix->data()[i];
        value = std::round(value * 64) / 64;  // seven bits, all of their sums exact in fp32
      }
    std::vector<Bits> results;
    for (const Precision precision : {Precision::fp32, Precision::tf32, Precision::bf16}) {
      Matrix y(33, kOutputs);
      const PrecisionScope scope(precision);
      kernels.linear_forward(x.data(), kInputs, w.data(), nullptr, y.data(), kOutputs, 33, kInputs, kOutputs,
                             Activation::none);
      results.push_back(Bits().add(y));
    }
    CHECK(bool(results[1] == results[0]));
    CHECK(bool(results[2] == results[0]));
  });
}

TEST_CASE("what is not finite stays so in every precision", "[kernels][precision]") {
  for_each_gpu([](const KernelTable& kernels) {
    for (const Precision precision : {Precision::fp32, Precision::tf32, Precision::bf16})
      for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()})
        for (const std::int64_t outputs : {kOutputs, std::int64_t{8}}) {  // of the library, and a small layer
          Draw draw(73);
          const Matrix x(draw, 5, kInputs, 0, 0.5F, 1);
          Matrix w(draw, kInputs, outputs), y(5, outputs);
          w.at(3, 2) = bad;
          const Vector<float> bias(static_cast<std::size_t>(outputs), 0.0F);
          const PrecisionScope scope(precision);
          kernels.linear_forward(x.data(), kInputs, w.data(), bias.data(), y.data(), outputs, 5, kInputs, outputs,
                                 Activation::relu);
          for (std::int64_t r = 0; r < 5; ++r) {
            CHECK(!std::isfinite(y.at(r, 2)));
            CHECK(std::isfinite(y.at(r, 1)));
          }
        }
  });
}

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

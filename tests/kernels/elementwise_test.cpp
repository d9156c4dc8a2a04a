#include "tests/kernels/kernel_test.h"

namespace mal::test::elementwise {

const Covers kCovers(&KernelTable::add_forward, &KernelTable::copy, &KernelTable::fill, &KernelTable::sum_of_squares);

struct Shape {
  std::int64_t rows, width;
};
constexpr Shape kShapes[] = {{0, 3}, {1, 1}, {7, 31}, {127, 2}, {128, 5}, {129, 33}, {1025, 7}, {3, 1025}};

double slow_sum_of_squares(const std::vector<std::vector<float>>& arrays) {
  long double sum = 0;
  for (const auto& array : arrays)
    for (const float value : array) sum += static_cast<long double>(value) * static_cast<long double>(value);
  return static_cast<double>(sum);
}

double run_sum_of_squares(const KernelTable& kernels, const std::vector<std::vector<float>>& arrays) {
  std::vector<kernels::Span> spans;
  for (const auto& array : arrays) spans.push_back({array.data(), static_cast<std::int64_t>(array.size())});
  return kernels.sum_of_squares(spans.data(), static_cast<std::int32_t>(spans.size()));
}

TEST_CASE("add_forward adds two slices into a third", "[kernels]") {
  for_each_device([](const KernelTable& kernels) {
    for (const Shape s : kShapes)
      for (const std::int64_t gap : {0, 3}) {
        INFO(s.rows << " x " << s.width << ", gap " << gap);
        Draw draw(1);
        const Matrix a(draw, s.rows, s.width, gap), b(draw, s.rows, s.width, gap + 1);
        Matrix y(s.rows, s.width, 2 * gap);
        kernels.add_forward(a.data(), a.stride(), b.data(), b.stride(), y.data(), y.stride(), s.rows, s.width);
        CHECK(mismatch(y, plus(a.wide(), b.wide()), 1e-7) == "");
      }
  });
}

TEST_CASE("copy overwrites or adds", "[kernels]") {
  for_each_device([](const KernelTable& kernels) {
    for (const Shape s : kShapes)
      for (const std::int64_t gap : {0, 3}) {
        INFO(s.rows << " x " << s.width << ", gap " << gap);
        Draw draw(2);
        const Matrix x(draw, s.rows, s.width, gap);
        Matrix y(s.rows, s.width, gap + 1), sum(draw, s.rows, s.width, gap + 2);
        const auto before = sum.wide();
        kernels.copy(x.data(), x.stride(), y.data(), y.stride(), s.rows, s.width, false);
        kernels.copy(x.data(), x.stride(), sum.data(), sum.stride(), s.rows, s.width, true);
        CHECK(mismatch(y, x.wide(), 0) == "");
        CHECK(mismatch(sum, plus(before, x.wide()), 1e-7) == "");
      }
  });
}

TEST_CASE("copy keeps every bit", "[kernels]") {
  for_each_device([](const KernelTable& kernels) {
    const float infinity = std::numeric_limits<float>::infinity();
    const std::vector<float> values = {-0.0F, 0.0F, 1e-45F, -3.4e38F, infinity, -infinity};
    Matrix x(1, static_cast<std::int64_t>(values.size())), y(1, x.width());
    std::ranges::copy(values, x.data());
    kernels.copy(x.data(), x.stride(), y.data(), y.stride(), 1, x.width(), false);
    CHECK(bool(Bits().add(x) == Bits().add(y)));
  });
}

TEST_CASE("fill sets a slice and nothing beside it", "[kernels]") {
  for_each_device([](const KernelTable& kernels) {
    for (const Shape s : kShapes)
      for (const std::int64_t gap : {0, 3})
        for (const float value : {0.0F, -2.5F}) {
          INFO(s.rows << " x " << s.width << ", gap " << gap);
          Matrix x(s.rows, s.width, gap);
          kernels.fill(x.data(), x.stride(), s.rows, s.width, value);
          const std::vector<double> want(static_cast<std::size_t>(s.rows * s.width), static_cast<double>(value));
          CHECK(mismatch(x, want, 0) == "");
        }
  });
}

TEST_CASE("sum_of_squares over several arrays", "[kernels]") {
  for_each_device([](const KernelTable& kernels) {
    CHECK(kernels.sum_of_squares(nullptr, 0) == 0);
    CHECK(run_sum_of_squares(kernels, {{}}) == 0);
    CHECK(run_sum_of_squares(kernels, {{3}, {}, {-4}}) == 25);
    CHECK(run_sum_of_squares(kernels, {{1e30F, -1e30F}}) == Approx(2e60));  // far beyond fp32
    CHECK(run_sum_of_squares(kernels, {{1e-30F}}) == Approx(1e-60));
    Draw draw(3);
    std::vector<std::vector<float>> arrays;
    for (const std::size_t size : {1, 7, 31, 33, 1025, 4095, 4096, 4097, 20000}) {
      auto& array = arrays.emplace_back(size);
      for (float& value : array) value = draw.uniform(-10, 10);
      CHECK(run_sum_of_squares(kernels, {array}) == Approx(slow_sum_of_squares({array})).epsilon(1e-13));
    }
    CHECK(run_sum_of_squares(kernels, arrays) == Approx(slow_sum_of_squares(arrays)).epsilon(1e-13));
  });
}

TEST_CASE("sum_of_squares shows NaN and infinity wherever they are", "[kernels]") {
  for_each_device([](const KernelTable& kernels) {
    for (const std::size_t at : {0, 1, 4095, 4096, 9998}) {
      std::vector<float> array(9999, 1.0F);
      array[at] = std::numeric_limits<float>::quiet_NaN();
      CHECK(std::isnan(run_sum_of_squares(kernels, {{1.0F}, array, {2.0F}})));
      array[at] = -std::numeric_limits<float>::infinity();
      CHECK(std::isinf(run_sum_of_squares(kernels, {{1.0F}, array, {2.0F}})));
    }
  });
}

TEST_CASE("element-wise kernels give the same bits for any number of threads", "[kernels]") {
  const KernelTable& kernels = kernels::cpu_kernels();
  check_same_bits([&] {
    Draw draw(4);
    const Matrix a(draw, 1025, 33), b(draw, 1025, 33);
    Matrix y(1025, 33), x(draw, 1025, 33), f(1025, 33);
    kernels.add_forward(a.data(), 33, b.data(), 33, y.data(), 33, 1025, 33);
    kernels.copy(a.data(), 33, x.data(), 33, 1025, 33, true);
    kernels.fill(f.data(), 33, 1025, 33, 0.1F);
    const double sum = run_sum_of_squares(kernels, {a.storage(), b.storage(), x.storage()});
    return Bits().add(y).add(x).add(f).add(std::vector<double>{sum});
  });
}

}  // namespace mal::test::elementwise

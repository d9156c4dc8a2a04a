#include "tests/kernels/kernel_test.h"

namespace mal::test::elementwise {

const Covers kCovers(&KernelTable::add_forward, &KernelTable::add_backward, &KernelTable::copy,
                     &KernelTable::activation_forward, &KernelTable::activation_backward);
const Covers kCoversLong(&KernelTable::fill, &KernelTable::gradient_norm, &KernelTable::gradient_norm_workspace,
                         &KernelTable::dot, &KernelTable::dot_workspace, &KernelTable::scale_add);

struct Shape {
  std::int64_t rows, width;
};
constexpr Shape kShapes[] = {{0, 3},    {1, 1},    {7, 31},   {127, 2}, {128, 5},
                             {129, 33}, {1025, 7}, {3, 1025}, {9, 8},   {300, 36}};

using Arrays = std::vector<Vector<float>>;

double slow_norm(const Arrays& arrays) {
  long double sum = 0;
  for (const auto& array : arrays)
    for (const float value : array) sum += static_cast<long double>(value) * static_cast<long double>(value);
  return static_cast<double>(std::sqrt(sum));
}

std::vector<kernels::Span> spans_of(const Arrays& arrays) {
  std::vector<kernels::Span> spans;
  for (const auto& array : arrays) spans.push_back({array.data(), static_cast<std::int64_t>(array.size())});
  return spans;
}

kernels::GradientNorm run_norm(const KernelTable& kernels, const std::vector<kernels::Span>& spans, double clip = 0,
                               const Vector<double>& losses = {}) {
  const auto count = static_cast<std::int32_t>(spans.size());
  Vector<double> workspace(static_cast<std::size_t>(kernels.gradient_norm_workspace(spans.data(), count)), -1);
  Vector<kernels::GradientNorm> norm{{-1, -1, -1}};
  kernels.gradient_norm(spans.data(), count, losses.data(), static_cast<std::int32_t>(losses.size()), clip, norm.data(),
                        workspace.data());
  return norm[0];
}

std::vector<double> first_six(const Matrix& a) {
  const auto all = a.wide();
  return {all.begin(), all.begin() + 6};
}

double run_dot(const KernelTable& kernels, const std::vector<kernels::Span>& a, const std::vector<kernels::Span>& b) {
  const auto count = static_cast<std::int32_t>(a.size());
  Vector<double> workspace(static_cast<std::size_t>(kernels.dot_workspace(a.data(), count)), -1);
  Vector<double> out{-1};
  kernels.dot(a.data(), b.data(), count, out.data(), workspace.data());
  return out[0];
}

TEST_CASE("add_forward adds two slices into a third", "[kernels][elementwise]") {
  for_each_device([](const KernelTable& kernels) {
    for (const Shape s : kShapes)
      for (const std::int64_t gap : {0, 3, 4}) {
        INFO(s.rows << " x " << s.width << ", gap " << gap);
        Draw draw(1);
        const Matrix a(draw, s.rows, s.width, gap), b(draw, s.rows, s.width, gap == 4 ? 8 : gap + 1);
        Matrix y(s.rows, s.width, 2 * gap);
        kernels.add_forward(a.data(), a.stride(), b.data(), b.stride(), y.data(), y.stride(), s.rows, s.width);
        CHECK(mismatch(y, plus(a.wide(), b.wide()), 1e-7) == "");
      }
  });
}

TEST_CASE("add_backward gives the gradient to both terms, or to one", "[kernels][elementwise]") {
  for_each_device([](const KernelTable& kernels) {
    for (const Shape s : kShapes)
      for (const std::int64_t gap : {0, 3, 4})
        for (const bool accumulate : {false, true}) {
          INFO(s.rows << " x " << s.width << ", gap " << gap << ", accumulate " << accumulate);
          Draw draw(4);
          const Matrix dy(draw, s.rows, s.width, gap);
          Matrix da(draw, s.rows, s.width, gap == 4 ? 8 : gap + 1), db(draw, s.rows, s.width, gap == 4 ? 4 : gap + 2);
          const auto a = da.wide(), b = db.wide();
          kernels.add_backward(dy.data(), dy.stride(), da.data(), da.stride(), accumulate, db.data(), db.stride(),
                               !accumulate, s.rows, s.width);
          CHECK(mismatch(da, accumulate ? plus(a, dy.wide()) : dy.wide(), 1e-7) == "");
          CHECK(mismatch(db, accumulate ? dy.wide() : plus(b, dy.wide()), 1e-7) == "");
          const Bits before = Bits().add(db);
          kernels.add_backward(dy.data(), dy.stride(), da.data(), da.stride(), false, nullptr, 0, false, s.rows,
                               s.width);
          CHECK(mismatch(da, dy.wide(), 0) == "");
          CHECK(bool(Bits().add(db) == before));
        }
    // A value added to itself, and terms that are columns of one matrix.
    Draw draw(5);
    const Matrix dy(draw, 9, 8);
    Matrix twice(9, 8), wide(9, 12);
    kernels.add_backward(dy.data(), 8, twice.data(), 8, false, twice.data(), 8, true, 9, 8);
    CHECK(mismatch(twice, plus(dy.wide(), dy.wide()), 1e-7) == "");
    wide.fill(0);
    kernels.add_backward(dy.data(), 8, wide.data(), 12, true, wide.data() + 4, 12, true, 9, 8);
    for (std::int64_t r = 0; r < 9; ++r)
      for (std::int64_t c = 0; c < 12; ++c)
        CHECK(wide.at(r, c) == (c < 8 ? dy.at(r, c) : 0.0F) + (c < 4 ? 0.0F : dy.at(r, c - 4)));
  });
}

TEST_CASE("copy overwrites or adds", "[kernels][elementwise]") {
  for_each_device([](const KernelTable& kernels) {
    for (const Shape s : kShapes)
      for (const std::int64_t gap : {0, 3, 4}) {
        INFO(s.rows << " x " << s.width << ", gap " << gap);
        Draw draw(2);
        const Matrix x(draw, s.rows, s.width, gap);
        Matrix y(s.rows, s.width, gap == 4 ? 8 : gap + 1), sum(draw, s.rows, s.width, gap == 4 ? 4 : gap + 2);
        const auto before = sum.wide();
        kernels.copy(x.data(), x.stride(), y.data(), y.stride(), s.rows, s.width, false);
        kernels.copy(x.data(), x.stride(), sum.data(), sum.stride(), s.rows, s.width, true);
        CHECK(mismatch(y, x.wide(), 0) == "");
        CHECK(mismatch(sum, plus(before, x.wide()), 1e-7) == "");
      }
  });
}

TEST_CASE("copy keeps every bit", "[kernels][elementwise]") {
  for_each_device([](const KernelTable& kernels) {
    const float infinity = std::numeric_limits<float>::infinity();
    const std::vector<float> values = {-0.0F, 0.0F, 1e-45F, -3.4e38F, infinity, -infinity};
    Matrix x(1, static_cast<std::int64_t>(values.size())), y(1, x.width());
    std::ranges::copy(values, x.data());
    kernels.copy(x.data(), x.stride(), y.data(), y.stride(), 1, x.width(), false);
    CHECK(bool(Bits().add(x) == Bits().add(y)));
  });
}

TEST_CASE("fill sets a slice and nothing beside it", "[kernels][elementwise]") {
  for_each_device([](const KernelTable& kernels) {
    for (const Shape s : kShapes)
      for (const std::int64_t gap : {0, 3, 4})
        for (const float value : {0.0F, -2.5F}) {
          INFO(s.rows << " x " << s.width << ", gap " << gap);
          Matrix x(s.rows, s.width, gap);
          kernels.fill(x.data(), x.stride(), s.rows, s.width, value);
          const std::vector<double> want(static_cast<std::size_t>(s.rows * s.width), static_cast<double>(value));
          CHECK(mismatch(x, want, 0) == "");
        }
  });
}

TEST_CASE("gradient_norm over several arrays", "[kernels][elementwise]") {
  for_each_device([](const KernelTable& kernels) {
    const auto norm = [&](const Arrays& arrays) { return run_norm(kernels, spans_of(arrays)).norm; };
    CHECK(norm({}) == 0);
    CHECK(norm({{}}) == 0);
    CHECK(norm({{3}, {}, {-4}}) == 5);
    CHECK(norm({{1e30F, -1e30F}}) == Approx(std::sqrt(2.0) * 1e30));  // squares far beyond fp32
    CHECK(norm({{1e-30F}}) == Approx(1e-30));
    Draw draw(3);
    Arrays arrays;
    for (const std::size_t size : {1, 7, 31, 33, 1025, 4095, 4096, 4097, 20000}) {
      auto& array = arrays.emplace_back(size);
      for (float& value : array) value = draw.uniform(-10, 10);
      CHECK(norm({array}) == Approx(slow_norm({array})).epsilon(1e-13));
    }
    CHECK(norm(arrays) == Approx(slow_norm(arrays)).epsilon(1e-13));
    // Many arrays: more than fit into one launch's arguments.
    Arrays many(700);
    for (auto& array : many) array.assign(5, draw.uniform(-1, 1));
    CHECK(norm(many) == Approx(slow_norm(many)).epsilon(1e-13));
  });
}

TEST_CASE("gradient_norm counts only the rows that are there", "[kernels][elementwise]") {
  for_each_device([](const KernelTable& kernels) {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    for (const std::int64_t count : {0, 1, 2, 1000}) {
      const Vector<std::int64_t> rows{count};
      Vector<float> values(3 * 3000, nan), head = {2};
      for (std::int64_t i = 0; i < 3 * count; ++i) values[static_cast<std::size_t>(i)] = 1;
      const auto norm = run_norm(kernels, {{head.data(), 1}, {values.data(), 9000, 3, rows.data()}, {head.data(), 1}});
      CHECK(norm.norm == Approx(std::sqrt(8.0 + 3 * static_cast<double>(count))));
      CHECK(norm.finite == 1);
    }
  });
}

TEST_CASE("gradient_norm: the scale of clipping", "[kernels][elementwise]") {
  for_each_device([](const KernelTable& kernels) {
    const Arrays arrays = {{3}, {4}};
    for (const double clip : {0.0, 5.0, 5.5}) CHECK(run_norm(kernels, spans_of(arrays), clip).scale == 1);
    CHECK(run_norm(kernels, spans_of(arrays), 2.5).scale == 0.5F);
    CHECK(run_norm(kernels, spans_of({{0, 0}}), 2.5).scale == 1);
  });
}

TEST_CASE("gradient_norm shows NaN and infinity wherever they are", "[kernels][elementwise]") {
  for_each_device([](const KernelTable& kernels) {
    const double infinity = std::numeric_limits<double>::infinity();
    for (const std::size_t at : {0, 1, 4095, 4096, 9998}) {
      Vector<float> array(9999, 1.0F);
      array[at] = std::numeric_limits<float>::quiet_NaN();
      const auto norm = run_norm(kernels, spans_of({{1.0F}, array, {2.0F}}), 1);
      CHECK(std::isnan(norm.norm));
      CHECK(norm.finite == 0);
      array[at] = -std::numeric_limits<float>::infinity();
      CHECK(std::isinf(run_norm(kernels, spans_of({{1.0F}, array, {2.0F}})).norm));
      CHECK(run_norm(kernels, spans_of({{1.0F}, array, {2.0F}})).finite == 0);
    }
    for (const double bad : {infinity, -infinity, std::numeric_limits<double>::quiet_NaN()}) {
      CHECK(run_norm(kernels, spans_of({{1.0F}}), 0, {1, bad, 2}).finite == 0);
      CHECK(run_norm(kernels, spans_of({{1.0F}}), 0, {1, bad, 2}).norm == 1);
    }
    CHECK(run_norm(kernels, spans_of({{1.0F}}), 0, {1, 1e300, 2}).finite == 1);
  });
}

TEST_CASE("element-wise kernels give the same bits for any number of threads", "[kernels][elementwise]") {
  check_same_bits([&](const KernelTable& kernels) {
    Draw draw(4);
    const Matrix a(draw, 1025, 33), b(draw, 1025, 33);
    Matrix y(1025, 33), x(draw, 1025, 33), f(1025, 33);
    kernels.add_forward(a.data(), 33, b.data(), 33, y.data(), 33, 1025, 33);
    kernels.copy(a.data(), 33, x.data(), 33, 1025, 33, true);
    kernels.fill(f.data(), 33, 1025, 33, 0.1F);
    const double sum = run_norm(kernels, {{a.data(), 1025 * 33}, {b.data(), 1025 * 33}, {x.data(), 1025 * 33}}).norm;
    return Bits().add(y).add(x).add(f).add(std::vector<double>{sum});
  });
}

TEST_CASE("an activation that stands alone, and its gradient", "[kernels][elementwise]") {
  using kernels::Activation;
  for_each_device([](const KernelTable& kernels) {
    for (const Shape s : kShapes)
      for (const Activation activation : {Activation::none, Activation::relu}) {
        INFO(s.rows << " x " << s.width << ", activation " << static_cast<int>(activation));
        Draw draw(7);
        // Rows that begin on 16 bytes where the width allows it.
        const bool even = s.width % 4 == 0;
        Matrix x(draw, s.rows, s.width, even ? 4 : 1), y(s.rows, s.width, even ? 0 : 2),
            dy(draw, s.rows, s.width, even ? 8 : 3), dx(s.rows, s.width, even ? 4 : 1);
        if (s.rows > 0) x.at(0, 0) = 0;  // the kink passes no gradient
        std::vector<double> want_y = x.wide(), want_dx = dy.wide();
        for (std::size_t i = 0; activation == Activation::relu && i < want_y.size(); ++i) {
          if (want_y[i] <= 0) want_dx[i] = 0;
          want_y[i] = std::max(want_y[i], 0.0);
        }
        kernels.activation_forward(x.data(), x.stride(), y.data(), y.stride(), s.rows, s.width, activation);
        CHECK(mismatch(y, want_y, 0) == "");
        for (const bool accumulate : {false, true}) {
          kernels.activation_backward(y.data(), y.stride(), dy.data(), dy.stride(), dx.data(), dx.stride(), accumulate,
                                      s.rows, s.width, activation);
          CHECK(mismatch(dx, accumulate ? plus(want_dx, want_dx) : want_dx, 1e-7) == "");
        }
      }
  });
}

TEST_CASE("dot is the sum over all pairs, exact where the arrays cancel", "[kernels][elementwise]") {
  for_each_device([](const KernelTable& kernels) {
    Draw draw(8);
    const Matrix a(draw, 1, 10000), b(draw, 1, 10000), c(draw, 1, 3);
    const Vector<std::int64_t> two{2};
    const std::vector<kernels::Span> left = {{a.data(), 10000}, {c.data(), 3}, {nullptr, 0}},
                                     right = {{b.data(), 10000}, {c.data(), 3}, {nullptr, 0}};
    CHECK(run_dot(kernels, left, right) == Approx(dot(a.wide(), b.wide()) + dot(c.wide(), c.wide())).epsilon(1e-12));
    CHECK(run_dot(kernels, {}, {}) == 0);
    CHECK(run_dot(kernels, {{a.data(), 10000, 3, two.data()}}, {{b.data(), 10000, 3, two.data()}}) ==
          Approx(dot(first_six(a), first_six(b))).epsilon(1e-12));
    const Vector<float> big = {3e19F, 1, -3e19F}, ones = {3e19F, 0.5F, 3e19F};
    CHECK(std::isfinite(run_dot(kernels, {{big.data(), 3}}, {{ones.data(), 3}})));
  });
  check_same_bits([](const KernelTable& kernels) {
    Draw draw(9);
    const Matrix a(draw, 1, 50000), b(draw, 1, 50000);
    return Bits().add(std::vector<double>{run_dot(kernels, {{a.data(), 50000}}, {{b.data(), 50000}})});
  });
}

TEST_CASE("scale_add overwrites or adds", "[kernels][elementwise]") {
  for_each_device([](const KernelTable& kernels) {
    for (const std::int64_t size : {0, 1, 4095, 4096, 9001}) {
      Draw draw(10);
      const Matrix x(draw, 1, size);
      Matrix y(1, size);
      auto want = x.wide();
      for (double& value : want) value *= -1.5;
      kernels.scale_add(x.data(), -1.5F, y.data(), size, false);
      CHECK(mismatch(y, want, 1e-7) == "");
      kernels.scale_add(x.data(), -1.5F, y.data(), size, true);
      CHECK(mismatch(y, plus(want, want), 1e-7) == "");
    }
  });
}

const CoversManyRows kManyRows(kCovers), kManyRowsLong(kCoversLong);
TEST_CASE("element-wise kernels of many wide rows", "[kernels][elementwise]") {
  using kernels::Activation;
  for_each_device_of_many_rows(kCovers, [](const KernelTable& kernels, std::int64_t rows) {
    const std::int64_t width = is_emulated(kernels) ? 33 : 130;  // of 130 a block a row
    Draw draw(11);
    const Matrix a(draw, rows, width, 1), b(draw, rows, width, 1);
    const auto wide_a = a.wide(), wide_b = b.wide(), sum = plus(wide_a, wide_b);
    Matrix y(rows, width, 1), z(rows, width, 1);
    kernels.add_forward(a.data(), a.stride(), b.data(), b.stride(), y.data(), y.stride(), rows, width);
    CHECK(mismatch(y, sum, 1e-7) == "");
    kernels.copy(a.data(), a.stride(), z.data(), z.stride(), rows, width, false);
    kernels.add_backward(b.data(), b.stride(), y.data(), y.stride(), false, z.data(), z.stride(), true, rows, width);
    CHECK(mismatch(y, wide_b, 0) == "");
    CHECK(mismatch(z, sum, 1e-7) == "");
    kernels.activation_forward(a.data(), a.stride(), y.data(), y.stride(), rows, width, Activation::relu);
    kernels.activation_backward(y.data(), y.stride(), b.data(), b.stride(), z.data(), z.stride(), false, rows, width,
                                Activation::relu);
    auto want_y = wide_a, want_z = wide_b;
    for (std::size_t i = 0; i < want_y.size(); ++i) {
      if (wide_a[i] <= 0) want_y[i] = want_z[i] = 0;
    }
    CHECK(mismatch(y, want_y, 0) == "");
    CHECK(mismatch(z, want_z, 0) == "");
  });
}

TEST_CASE("fill, scale_add, dot and the norm of very long arrays", "[kernels][elementwise]") {
  for_each_device_of_many_rows(kCoversLong, [](const KernelTable& kernels, std::int64_t) {
    // More rows than a launch has blocks, on every device; and where time allows, more columns than their threads.
    Matrix rows(65'600, 130, 1);
    kernels.fill(rows.data(), rows.stride(), rows.rows(), rows.width(), 2);
    CHECK(mismatch(rows, std::vector<double>(65'600 * 130, 2), 0) == "");
    const std::int64_t size = is_emulated(kernels) ? 100'003 : 65'535 * 256 + 1000;
    Draw draw(12);
    const Matrix x(draw, 1, size + 1);
    Matrix y(1, size + 1);
    y.at(0, 0) = 7;
    kernels.scale_add(x.data() + 1, 0.5F, y.data() + 1, size, false);  // not aligned for wider access
    std::int64_t wrong = y.at(0, 0) == 7 ? 0 : 1;
    for (std::int64_t i = 1; i <= size; ++i) wrong += y.at(0, i) == 0.5F * x.at(0, i) ? 0 : 1;
    CHECK(wrong == 0);
    // Sums of tiles of 4096, which 1024 threads add up: some have two.
    const Matrix p(draw, 1, 4'500'001);
    const Matrix q(draw, 1, p.width());
    long double products = 0, squares = 0;
    for (std::int64_t i = 0; i < p.width(); ++i) {
      products += static_cast<long double>(p.at(0, i)) * static_cast<long double>(q.at(0, i));
      squares += static_cast<long double>(p.at(0, i)) * static_cast<long double>(p.at(0, i));
    }
    CHECK(run_dot(kernels, {{p.data(), p.width()}}, {{q.data(), q.width()}}) ==
          Approx(static_cast<double>(products)).epsilon(1e-10));
    CHECK(run_norm(kernels, {{p.data(), p.width()}}).norm ==
          Approx(static_cast<double>(std::sqrt(squares))).epsilon(1e-13));
  });
}

}  // namespace mal::test::elementwise

#include "tests/kernels/kernel_test.h"

namespace mal::test::norm {

const Covers kCovers(&KernelTable::layer_norm_forward, &KernelTable::layer_norm_backward,
                     &KernelTable::layer_norm_backward_workspace);

struct Shape {
  std::int64_t rows, width;
};
constexpr Shape kShapes[] = {{0, 3},   {1, 1},    {1, 7},    {7, 31},   {127, 8},
                             {128, 1}, {129, 33}, {1025, 7}, {3, 1025}, {37, 136}};
constexpr float kEps = 1e-3F;

struct Norm {
  std::size_t rows, width;
  std::vector<double> x, gamma, beta;

  double mean(std::size_t r) const {
    double sum = 0;
    for (std::size_t c = 0; c < width; ++c) sum += x[r * width + c];
    return sum / static_cast<double>(width);
  }
  double rstd(std::size_t r) const {
    double sum = 0;
    for (std::size_t c = 0; c < width; ++c) sum += std::pow(x[r * width + c] - mean(r), 2);
    return 1 / std::sqrt(sum / static_cast<double>(width) + static_cast<double>(kEps));
  }
  std::vector<double> normal() const {
    std::vector<double> result;
    for (std::size_t r = 0; r < rows; ++r) {
      const double mu = mean(r), scale = rstd(r);
      for (std::size_t c = 0; c < width; ++c) result.push_back((x[r * width + c] - mu) * scale);
    }
    return result;
  }
  std::vector<double> forward() const {
    auto y = normal();
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = y[i] * gamma[i % width] + beta[i % width];
    return y;
  }
  // By the whole Jacobian of a row: d x̂_j / d x_i = rstd (δ_ij − 1/n − x̂_i x̂_j / n).
  std::vector<double> dx(const std::vector<double>& dy) const {
    const auto hat = normal();
    const auto n = static_cast<double>(width);
    std::vector<double> result(x.size());
    for (std::size_t r = 0; r < rows; ++r) {
      const double scale = rstd(r);
      for (std::size_t i = 0; i < width; ++i)
        for (std::size_t j = 0; j < width; ++j)
          result[r * width + i] += dy[r * width + j] * gamma[j] * scale *
                                   ((i == j ? 1.0 : 0.0) - 1 / n - hat[r * width + i] * hat[r * width + j] / n);
    }
    return result;
  }
  std::vector<double> dgamma(const std::vector<double>& dy) const {
    const auto hat = normal();
    std::vector<double> result(width);
    for (std::size_t i = 0; i < hat.size(); ++i) result[i % width] += dy[i] * hat[i];
    return result;
  }
  std::vector<double> dbeta(const std::vector<double>& dy) const {
    std::vector<double> result(width);
    for (std::size_t i = 0; i < dy.size(); ++i) result[i % width] += dy[i];
    return result;
  }
};

struct Case {
  Case(const Shape& shape, std::int64_t gap, float low = -1, float high = 2)
      : s(shape),
        draw(21),
        x(draw, s.rows, s.width, gap, low, high),
        gamma(draw, 1, s.width, 0, 0.5F, 2),
        beta(draw, 1, s.width),
        y(s.rows, s.width, gap / 2),
        mean(1, s.rows),
        rstd(1, s.rows),
        dy(draw, s.rows, s.width, 2 * gap),
        dx(s.rows, s.width, gap),
        dgamma(1, s.width),
        dbeta(1, s.width) {}

  void forward(const KernelTable& kernels) {
    kernels.layer_norm_forward(x.data(), x.stride(), gamma.data(), beta.data(), y.data(), y.stride(), mean.data(),
                               rstd.data(), s.rows, s.width, kEps);
  }
  void backward(const KernelTable& kernels, bool accumulate) {
    Matrix workspace(1, kernels.layer_norm_backward_workspace(s.rows, s.width));
    kernels.layer_norm_backward(x.data(), x.stride(), gamma.data(), mean.data(), rstd.data(), dy.data(), dy.stride(),
                                dx.data(), dx.stride(), accumulate, dgamma.data(), dbeta.data(), s.rows, s.width,
                                workspace.data());
  }
  Norm norm() const {
    return {static_cast<std::size_t>(s.rows), static_cast<std::size_t>(s.width), x.wide(), gamma.wide(), beta.wide()};
  }

  Shape s;
  Draw draw;
  Matrix x, gamma, beta, y, mean, rstd, dy, dx, dgamma, dbeta;
};

template <typename Body>
void for_each_case(const Body& body) {
  for_each_device([&](const KernelTable& kernels) {
    for (const Shape& s : kShapes)
      for (const std::int64_t gap : {0, 4}) {
        INFO(s.rows << " x " << s.width << ", gap " << gap);
        Case c(s, gap);
        body(kernels, c);
      }
  });
}

TEST_CASE("layer_norm_forward normalises each row", "[kernels][norm]") {
  for_each_case([](const KernelTable& kernels, Case& c) {
    c.forward(kernels);
    const Norm norm = c.norm();
    CHECK(mismatch(c.y, norm.forward(), 3e-6) == "");
    std::vector<double> mean, rstd;
    for (std::size_t r = 0; r < norm.rows; ++r) {
      mean.push_back(norm.mean(r));
      rstd.push_back(norm.rstd(r));
    }
    CHECK(mismatch(c.mean, mean, 1e-6) == "");
    CHECK(mismatch(c.rstd, rstd, 1e-6) == "");
  });
}

TEST_CASE("layer_norm_backward: gradients of x, gamma and beta", "[kernels][norm]") {
  for_each_case([](const KernelTable& kernels, Case& c) {
    c.forward(kernels);
    for (const bool accumulate : {false, true}) {
      if (accumulate) c.dx = Matrix(c.draw, c.s.rows, c.s.width, 1);
      const auto dy = c.dy.wide(), before = c.dx.wide();
      c.backward(kernels, accumulate);
      const auto dx = c.norm().dx(dy);
      CHECK(mismatch(c.dx, accumulate ? plus(before, dx) : dx, 5e-6) == "");
      CHECK(mismatch(c.dgamma, c.norm().dgamma(dy), 1e-5) == "");
      CHECK(mismatch(c.dbeta, c.norm().dbeta(dy), 1e-5) == "");
    }
  });
}

TEST_CASE("layer_norm_backward against central differences", "[kernels][norm]") {
  for_each_device([](const KernelTable& kernels) {
    for (const Shape& s : {Shape{5, 7}, Shape{2, 33}, Shape{131, 2}}) {
      INFO(s.rows << " x " << s.width);
      Case c(s, 1);
      Norm norm = c.norm();
      const auto dy = c.dy.wide();
      const auto loss = [&] { return dot(norm.forward(), dy); };
      c.forward(kernels);
      c.backward(kernels, false);
      CHECK(mismatch(c.dx, central_differences(norm.x, loss), 1e-5) == "");
      CHECK(mismatch(c.dgamma, central_differences(norm.gamma, loss), 1e-5) == "");
      CHECK(mismatch(c.dbeta, central_differences(norm.beta, loss), 1e-5) == "");
    }
  });
}

TEST_CASE("layer_norm of a row of constants is beta", "[kernels][norm]") {
  for_each_device([](const KernelTable& kernels) {
    for (const float value : {0.0F, 0.1F, -3.3F, 1e6F, -16777215.0F})
      for (const std::int64_t width : {1, 7, 33, 129}) {
        INFO(value << ", width " << width);
        Case c({3, width}, 0);
        c.x.fill(value);
        c.forward(kernels);
        CHECK(mismatch(c.y, c.norm().forward(), 1e-6) == "");
        CHECK(mismatch(c.mean, std::vector<double>(3, static_cast<double>(value)), 0) == "");
        c.backward(kernels, false);
        CHECK(mismatch(c.dx, c.norm().dx(c.dy.wide()), 1e-5) == "");
      }
  });
}

TEST_CASE("layer_norm far from zero, and of huge values", "[kernels][norm]") {
  for_each_device([](const KernelTable& kernels) {
    for (const std::int64_t width : {31, 1025}) {
      Case offset({7, width}, 0, 999, 1001);  // the mean itself is good to 3e-5 as fp32
      offset.forward(kernels);
      CHECK(mismatch(offset.y, offset.norm().forward(), 1.5e-4) == "");
      Case huge({7, width}, 0, -1e15F, 1e15F);
      huge.forward(kernels);
      CHECK(mismatch(huge.y, huge.norm().forward(), 3e-6) == "");
      huge.backward(kernels, false);
      CHECK(mismatch(huge.dx, huge.norm().dx(huge.dy.wide()), 3e-6, 1e-15) == "");
    }
  });
}

TEST_CASE("layer_norm gives the same bits for any number of threads", "[kernels][norm]") {
  check_same_bits([&](const KernelTable& kernels) {
    Case c({1025, 33}, 1);
    c.forward(kernels);
    c.backward(kernels, false);
    return Bits().add(c.y).add(c.mean).add(c.rstd).add(c.dx).add(c.dgamma).add(c.dbeta);
  });
}

const CoversManyRows kManyRows(kCovers);
TEST_CASE("layer_norm of many rows", "[kernels][norm]") {
  for_each_device_of_many_rows(kCovers, [](const KernelTable& kernels, std::int64_t rows) {
    for (const std::int64_t width : {33, 4}) {  // a warp a row, and a lane a row
      INFO("width " << width);
      Case c({rows, width}, 0);
      c.forward(kernels);
      c.backward(kernels, false);
      const Norm norm = c.norm();
      const auto dy = c.dy.wide();
      CHECK(mismatch(c.y, norm.forward(), 3e-6) == "");
      CHECK(mismatch(c.dx, norm.dx(dy), 1e-5) == "");
      CHECK(mismatch(c.dgamma, norm.dgamma(dy), many_rows_tolerance(rows)) == "");
      CHECK(mismatch(c.dbeta, norm.dbeta(dy), many_rows_tolerance(rows)) == "");
    }
  });
}

}  // namespace mal::test::norm

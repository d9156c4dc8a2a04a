#include "tests/kernels/kernel_test.h"

namespace mal::test::batch_norm {

const Covers kCovers(&KernelTable::batch_norm_statistics, &KernelTable::batch_norm_statistics_workspace,
                     &KernelTable::batch_norm_swish_forward, &KernelTable::batch_norm_swish_backward,
                     &KernelTable::batch_norm_swish_backward_workspace, &KernelTable::batch_norm_update);

constexpr float kEps = 1e-3F;

struct Shape {
  std::int64_t rows, width;
};
constexpr Shape kShapes[] = {{0, 3}, {1, 1}, {2, 7}, {7, 31}, {127, 2}, {128, 5}, {129, 33}, {1025, 7}, {37, 136}};

std::size_t size_of(std::int64_t n) {
  return static_cast<std::size_t>(n);
}

// Batch norm and swish in float64.
struct Norm {
  std::size_t rows, width;
  std::vector<double> x, gamma, beta;

  std::vector<double> means() const {
    std::vector<double> mean(width);
    for (std::size_t i = 0; i < x.size(); ++i) mean[i % width] += x[i] / static_cast<double>(rows);
    return mean;
  }
  std::vector<double> variances() const {
    const auto mean = means();
    std::vector<double> variance(width);
    for (std::size_t i = 0; i < x.size(); ++i)
      variance[i % width] += std::pow(x[i] - mean[i % width], 2) / static_cast<double>(rows);
    return variance;
  }
  std::vector<double> with(const std::vector<double>& mean, const std::vector<double>& variance) const {
    std::vector<double> y;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::size_t c = i % width;
      const double n = (x[i] - mean[c]) / std::sqrt(variance[c] + static_cast<double>(kEps)) * gamma[c] + beta[c];
      y.push_back(n / (1 + std::exp(-n)));
    }
    return y;
  }
  std::vector<double> forward() const { return with(means(), variances()); }
};

// With dn = dy swish'(n):  dbeta = Σ dn, dgamma = Σ dn x̂, dx = gamma rstd (dn − mean(dn) − x̂ mean(dn x̂)).
struct BatchGradients {
  BatchGradients(const Norm& norm, const std::vector<double>& dy)
      : dx(norm.x.size()), dgamma(norm.width), dbeta(norm.width) {
    const auto mean = norm.means(), variance = norm.variances();
    std::vector<double> hat(dx.size()), dn(dx.size());
    const auto rstd = [&](std::size_t c) { return 1 / std::sqrt(variance[c] + static_cast<double>(kEps)); };
    for (std::size_t i = 0; i < dx.size(); ++i) {
      const std::size_t c = i % norm.width;
      hat[i] = (norm.x[i] - mean[c]) * rstd(c);
      const double n = hat[i] * norm.gamma[c] + norm.beta[c], sigmoid = 1 / (1 + std::exp(-n));
      dn[i] = dy[i] * (sigmoid + n * sigmoid * (1 - sigmoid));
      dbeta[c] += dn[i];
      dgamma[c] += dn[i] * hat[i];
    }
    const auto rows = static_cast<double>(norm.rows);
    for (std::size_t i = 0; i < dx.size(); ++i) {
      const std::size_t c = i % norm.width;
      dx[i] = norm.gamma[c] * rstd(c) * (dn[i] - dbeta[c] / rows - hat[i] * dgamma[c] / rows);
    }
  }
  std::vector<double> dx, dgamma, dbeta;
};

struct Case {
  explicit Case(const Shape& shape, std::int64_t gap = 0)
      : s(shape),
        draw(51),
        x(draw, s.rows, s.width, gap, -1, 3),
        gamma(draw, 1, s.width),
        beta(draw, 1, s.width),
        mean(1, s.width),
        variance(1, s.width),
        y(s.rows, s.width, 2 * gap),
        dy(draw, s.rows, s.width, gap),
        dx(s.rows, s.width, gap + 2),
        dgamma(1, s.width),
        dbeta(1, s.width) {}

  void statistics(const KernelTable& kernels) {
    Vector<double> workspace(size_of(kernels.batch_norm_statistics_workspace(s.rows, s.width)));
    kernels.batch_norm_statistics(x.data(), x.stride(), mean.data(), variance.data(), s.rows, s.width,
                                  workspace.data());
  }
  void forward(const KernelTable& kernels) {
    kernels.batch_norm_swish_forward(x.data(), x.stride(), gamma.data(), beta.data(), mean.data(), variance.data(),
                                     y.data(), y.stride(), s.rows, s.width, kEps);
  }
  void backward(const KernelTable& kernels, bool accumulate, bool want_dx = true) {
    Vector<double> workspace(size_of(kernels.batch_norm_swish_backward_workspace(s.rows, s.width)));
    kernels.batch_norm_swish_backward(x.data(), x.stride(), gamma.data(), beta.data(), mean.data(), variance.data(),
                                      dy.data(), dy.stride(), want_dx ? dx.data() : nullptr, dx.stride(), accumulate,
                                      dgamma.data(), dbeta.data(), s.rows, s.width, kEps, workspace.data());
  }
  Norm reference() const { return {size_of(s.rows), size_of(s.width), x.wide(), gamma.wide(), beta.wide()}; }

  Shape s;
  Draw draw;
  Matrix x, gamma, beta, mean, variance, y, dy, dx, dgamma, dbeta;
};

TEST_CASE("batch norm over its batch: statistics and output", "[kernels][batch_norm]") {
  for_each_device([](const KernelTable& kernels) {
    for (const Shape& s : kShapes)
      for (const std::int64_t gap : {0, 3}) {
        INFO(s.rows << " x " << s.width << ", gap " << gap);
        Case c(s, gap);
        c.statistics(kernels);
        c.forward(kernels);
        CHECK(mismatch(c.mean, c.reference().means(), 1e-6) == "");
        CHECK(mismatch(c.variance, c.reference().variances(), 2e-6) == "");
        CHECK(mismatch(c.y, c.reference().forward(), 5e-6) == "");
      }
  });
}

TEST_CASE("batch norm over given statistics", "[kernels][batch_norm]") {
  for_each_device([](const KernelTable& kernels) {
    Case c({33, 7}, 1);
    c.mean = Matrix(c.draw, 1, 7);
    c.variance = Matrix(c.draw, 1, 7, 0, 0.1F, 2);
    c.forward(kernels);
    CHECK(mismatch(c.y, c.reference().with(c.mean.wide(), c.variance.wide()), 2e-6) == "");
  });
}

TEST_CASE("batch norm of a constant column, of far values, and of NaN", "[kernels][batch_norm]") {
  for_each_device([](const KernelTable& kernels) {
    Case c({300, 3});
    for (std::int64_t r = 0; r < 300; ++r) {
      c.x.at(r, 0) = 0.1F;
      c.x.at(r, 1) += 1e4F;
    }
    c.x.at(5, 2) = std::numeric_limits<float>::quiet_NaN();
    c.statistics(kernels);
    c.forward(kernels);
    CHECK(c.variance.at(0, 0) < 1e-12F);
    CHECK(static_cast<double>(c.variance.at(0, 1)) == Approx(c.reference().variances()[1]).epsilon(1e-3));
    CHECK(std::isnan(c.y.at(7, 2)));
    CHECK(std::isfinite(c.y.at(7, 1)));
  });
}

TEST_CASE("batch_norm_swish_backward against central differences", "[kernels][batch_norm]") {
  for_each_device([](const KernelTable& kernels) {
    for (const Shape& s : {Shape{1, 2}, Shape{2, 3}, Shape{7, 5}, Shape{133, 2}}) {
      INFO(s.rows << " x " << s.width);
      Case c(s, 1);
      Norm reference = c.reference();
      const auto dy = c.dy.wide();
      const auto loss = [&] { return dot(reference.forward(), dy); };
      const auto dx = central_differences(reference.x, loss);
      c.statistics(kernels);
      c.backward(kernels, false);
      CHECK(mismatch(c.dx, dx, 2e-5) == "");
      CHECK(mismatch(c.dgamma, central_differences(reference.gamma, loss), 1e-5) == "");
      CHECK(mismatch(c.dbeta, central_differences(reference.beta, loss), 1e-5) == "");

      Case again(s, 1);
      again.statistics(kernels);
      again.dx = Matrix(again.draw, s.rows, s.width, 2);
      const auto before = again.dx.wide();
      again.backward(kernels, true);
      CHECK(mismatch(again.dx, plus(before, dx), 2e-5) == "");

      Case without(s, 1);
      without.statistics(kernels);
      without.backward(kernels, false, false);
      CHECK(bool(Bits().add(c.dgamma).add(c.dbeta) == Bits().add(without.dgamma).add(without.dbeta)));
    }
  });
}

TEST_CASE("an empty batch has no statistics and no gradients", "[kernels][batch_norm]") {
  for_each_device([](const KernelTable& kernels) {
    Case c({0, 3});
    c.statistics(kernels);
    c.forward(kernels);
    c.backward(kernels, false);
    for (const Matrix* m : {&c.mean, &c.variance, &c.dgamma, &c.dbeta})
      CHECK(mismatch(*m, std::vector<double>(3), 0) == "");
  });
}

TEST_CASE("running statistics move as torch.nn.BatchNorm1d's", "[kernels][batch_norm]") {
  for_each_device([](const KernelTable& kernels) {
    Matrix mean(1, 2), variance(1, 2), running_mean(1, 2), running_variance(1, 2);
    mean.fill(3);
    variance.fill(2);
    running_mean.fill(1);
    running_variance.fill(1);
    const auto update = [&](std::int64_t rows, std::int32_t finite = 1) {
      const Vector<kernels::GradientNorm> norm{{1, 1, finite}};
      kernels.batch_norm_update(mean.data(), variance.data(), running_mean.data(), running_variance.data(), rows, 2,
                                0.25F, norm.data());
    };
    update(0);
    update(5, 0);
    CHECK(mismatch(running_mean, {1, 1}, 0) == "");
    update(5);
    CHECK(mismatch(running_mean, {1.5, 1.5}, 1e-7) == "");
    CHECK(mismatch(running_variance, {0.75 + 0.25 * 2.5, 0.75 + 0.25 * 2.5}, 1e-7) == "");
    update(1);
    CHECK(mismatch(running_mean, {1.875, 1.875}, 1e-7) == "");
    CHECK(mismatch(running_variance, {1.375, 1.375}, 1e-7) == "");
  });
}

TEST_CASE("batch norm gives the same bits for any number of threads", "[kernels][batch_norm]") {
  check_same_bits([&](const KernelTable& kernels) {
    Case c({1025, 33}, 1);
    c.statistics(kernels);
    c.forward(kernels);
    c.backward(kernels, false);
    return Bits().add(c.mean).add(c.variance).add(c.y).add(c.dy).add(c.dx).add(c.dgamma).add(c.dbeta);
  });
}

const CoversManyRows kManyRows(kCovers);
TEST_CASE("batch norm of many rows", "[kernels][batch_norm]") {
  for_each_device_of_many_rows(kCovers, [](const KernelTable& kernels, std::int64_t rows) {
    Case c({rows, 5}, 1);
    const BatchGradients want(c.reference(), c.dy.wide());
    c.statistics(kernels);
    c.forward(kernels);
    CHECK(mismatch(c.mean, c.reference().means(), 1e-6) == "");
    CHECK(mismatch(c.variance, c.reference().variances(), 2e-6) == "");
    CHECK(mismatch(c.y, c.reference().forward(), 5e-6) == "");
    c.backward(kernels, false);
    CHECK(mismatch(c.dx, want.dx, 2e-5) == "");
    CHECK(mismatch(c.dgamma, want.dgamma, many_rows_tolerance(rows)) == "");
    CHECK(mismatch(c.dbeta, want.dbeta, many_rows_tolerance(rows)) == "");
    // One number a column: of 70 000 columns, since of rows it reads none.
    const Matrix mean(c.draw, 1, rows), variance(c.draw, 1, rows);
    Matrix running_mean(1, rows), running_variance(1, rows);
    running_mean.fill(1);
    running_variance.fill(2);
    const Vector<kernels::GradientNorm> norm{{1, 1, 1}};
    kernels.batch_norm_update(mean.data(), variance.data(), running_mean.data(), running_variance.data(), 5, rows,
                              0.25F, norm.data());
    auto want_mean = mean.wide(), want_variance = variance.wide();
    for (double& value : want_mean) value = 0.75 + 0.25 * value;
    for (double& value : want_variance) value = 1.5 + 0.25 * 1.25 * value;
    CHECK(mismatch(running_mean, want_mean, 2e-7) == "");
    CHECK(mismatch(running_variance, want_variance, 2e-7) == "");
  });
}

}  // namespace mal::test::batch_norm

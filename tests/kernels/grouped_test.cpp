// Groups of layers that are too large for a chain: more of them than a launch holds, whose dx some share, and such as
// lie across each other. Values and gradients of single ones: linear_test.cpp.
#include "tests/kernels/kernel_test.h"

namespace mal::test::grouped {

using kernels::Activation;

constexpr std::int64_t kInputs = 160, kOutputs = 130;  // more than a tile each

std::size_t at(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

// a[m,k] b[k,n], either transposed, in float64.
std::vector<double> product(const std::vector<double>& a, const std::vector<double>& b, std::int64_t m, std::int64_t n,
                            std::int64_t k, bool a_transposed, bool b_transposed) {
  std::vector<double> c(at(m * n));
  for (std::int64_t i = 0; i < m; ++i)
    for (std::int64_t l = 0; l < k; ++l)
      for (std::int64_t j = 0; j < n; ++j)
        c[at(i * n + j)] += a[at(a_transposed ? l * m + i : i * k + l)] * b[at(b_transposed ? j * k + l : l * n + j)];
  return c;
}

// Layers whose i-th reads input source(i), all with ReLU. Gradients of inputs are added to what is there.
class Group {
 public:
  Group(std::int64_t rows, std::size_t layers, std::size_t inputs, std::int64_t gap) : rows_(rows) {
    Draw draw(81);
    for (std::size_t i = 0; i < inputs; ++i) {
      x_.emplace_back(draw, rows, kInputs, gap);
      dx_.emplace_back(draw, rows, kInputs, gap);
      want_.push_back(dx_.back().wide());
    }
    for (std::size_t i = 0; i < layers; ++i) {
      w_.emplace_back(draw, kInputs, kOutputs);
      b_.emplace_back(draw, 1, kOutputs);
      y_.emplace_back(rows, kOutputs, 3 * gap);
      dy_.emplace_back(draw, rows, kOutputs, gap);
      dw_.emplace_back(kInputs, kOutputs);
      db_.emplace_back(1, kOutputs);
    }
  }

  void forward(const KernelTable& kernels) {
    std::vector<kernels::LinearForward> calls;
    for (std::size_t i = 0; i < w_.size(); ++i)
      calls.push_back({x(i).data(), x(i).stride(), w_[i].data(), b_[i].data(), y_[i].data(), y_[i].stride()});
    kernels.linear_group_forward(calls.data(), count(), rows_, kInputs, kOutputs, Activation::relu);
  }
  // Input 0 wants no gradient.
  void backward(const KernelTable& kernels) {
    std::vector<kernels::LinearBackward> calls;
    for (std::size_t i = 0; i < w_.size(); ++i)
      calls.push_back({x(i).data(), x(i).stride(), w_[i].data(), y_[i].data(), y_[i].stride(), dy_[i].data(),
                       dy_[i].stride(), source(i) == 0 ? nullptr : dx_[source(i)].data(), x(i).stride(), true,
                       dw_[i].data(), db_[i].data()});
    Matrix workspace(1, kernels.linear_group_backward_workspace(count(), rows_, kInputs, kOutputs, true));
    kernels.linear_group_backward(calls.data(), count(), rows_, kInputs, kOutputs, Activation::relu, workspace.data());
  }

  void check(const KernelTable& kernels) {
    forward(kernels);
    std::vector<std::vector<double>> dw, db;
    for (std::size_t i = 0; i < w_.size(); ++i) {
      INFO("layer " << i);
      auto y = product(x(i).wide(), w_[i].wide(), rows_, kOutputs, kInputs, false, false), dy = dy_[i].wide();
      const auto got = y_[i].wide();
      db.emplace_back(at(kOutputs));
      for (std::size_t e = 0; e < y.size(); ++e) {
        const std::size_t n = e % at(kOutputs);
        y[e] = std::max(0.0, y[e] + static_cast<double>(b_[i].at(0, static_cast<std::int64_t>(n))));
        if (!(got[e] > 0)) dy[e] = 0;
        db.back()[n] += dy[e];
      }
      CHECK(mismatch(y_[i], y, 1e-5) == "");
      dw.push_back(product(x(i).wide(), dy, kInputs, kOutputs, rows_, true, false));
      want_[source(i)] = plus(want_[source(i)], product(dy, w_[i].wide(), rows_, kInputs, kOutputs, false, true));
    }
    backward(kernels);
    for (std::size_t i = 0; i < w_.size(); ++i) {
      INFO("layer " << i);
      CHECK(mismatch(dw_[i], dw[i], 1e-5) == "");
      CHECK(mismatch(db_[i], db[i], 1e-5) == "");
    }
    for (std::size_t i = 1; i < dx_.size(); ++i) CHECK(mismatch(dx_[i], want_[i], 2e-5) == "");
  }
  Bits gradients() const {
    Bits bits;
    for (const auto* matrices : {&dw_, &db_, &dx_})
      for (const Matrix& matrix : *matrices) bits.add(matrix);
    return bits;
  }

 private:
  std::int32_t count() const { return static_cast<std::int32_t>(w_.size()); }
  std::size_t source(std::size_t i) const { return i % x_.size(); }
  const Matrix& x(std::size_t i) const { return x_[source(i)]; }

  std::int64_t rows_;
  std::vector<Matrix> x_, dx_, w_, b_, y_, dy_, dw_, db_;
  std::vector<std::vector<double>> want_;
};

TEST_CASE("groups of large layers that share inputs, twice the same bits", "[kernels][grouped]") {
  for_each_device([](const KernelTable& kernels) {
    Group(131, 1, 2, 0).check(kernels);
    Group(131, 4, 2, 1).check(kernels);
    Group one(67, 4, 2, 0), other(67, 4, 2, 0);
    one.check(kernels);
    other.forward(kernels);
    other.backward(kernels);
    CHECK(bool(one.gradients() == other.gradients()));
  });
}

TEST_CASE("a group of more large layers than a launch holds", "[kernels][grouped]") {
  for_each_device([](const KernelTable& kernels) { Group(2, 44, 3, 0).check(kernels); });
}

TEST_CASE("large layers whose dx lie across each other", "[kernels][grouped]") {
  for_each_device([](const KernelTable& kernels) {
    constexpr std::int64_t kRows = 66, kShift = 10;
    Draw draw(82);
    Matrix x(draw, kRows, kInputs + kShift), dx(kRows, kInputs + kShift), y(draw, kRows, kOutputs),
        dw(kInputs, kOutputs);
    dx.fill(0.25F);
    Matrix w[2] = {{draw, kInputs, kOutputs}, {draw, kInputs, kOutputs}};
    Matrix dy[2] = {{draw, kRows, kOutputs}, {draw, kRows, kOutputs}};
    Matrix dws[2] = {{kInputs, kOutputs}, {kInputs, kOutputs}};
    std::vector<double> want(at(kRows * (kInputs + kShift)), 0.25);
    std::vector<kernels::LinearBackward> calls;
    for (const std::int64_t i : {0, 1}) {
      const auto of_layer = product(dy[i].wide(), w[i].wide(), kRows, kInputs, kOutputs, false, true);
      for (std::int64_t r = 0; r < kRows; ++r)
        for (std::int64_t k = 0; k < kInputs; ++k) {
          double& value = want[at(r * (kInputs + kShift) + i * kShift + k)];
          value = (i == 0 ? 0.0 : value) + of_layer[at(r * kInputs + k)];
        }
      calls.push_back({x.data() + i * kShift, x.stride(), w[i].data(), y.data(), kOutputs, dy[i].data(), kOutputs,
                       dx.data() + i * kShift, dx.stride(), i == 1, dws[i].data(), nullptr});
    }
    Matrix workspace(1, kernels.linear_group_backward_workspace(2, kRows, kInputs, kOutputs, true));
    kernels.linear_group_backward(calls.data(), 2, kRows, kInputs, kOutputs, Activation::none, workspace.data());
    CHECK(mismatch(dx, want, 2e-5) == "");
  });
}

TEST_CASE("what is not finite goes through a large layer", "[kernels][grouped]") {
  for_each_device([](const KernelTable& kernels) {
    Draw draw(83);
    Matrix x(draw, 66, kInputs), w(draw, kInputs, kOutputs), y(66, kOutputs);
    x.at(65, 3) = std::numeric_limits<float>::infinity();
    w.at(7, 129) = std::numeric_limits<float>::quiet_NaN();
    kernels.linear_forward(x.data(), kInputs, w.data(), nullptr, y.data(), kOutputs, 66, kInputs, kOutputs,
                           Activation::none);
    for (std::int64_t r = 0; r < 66; ++r)
      for (std::int64_t n = 0; n < kOutputs; ++n) {
        INFO(r << ", " << n);
        CHECK(std::isfinite(y.at(r, n)) == (r != 65 && n != 129));
      }
  });
}

}  // namespace mal::test::grouped

#include "tests/kernels/kernel_test.h"

namespace mal::test::feature_gate {

const Covers kCovers(&KernelTable::feature_gate_forward, &KernelTable::feature_gate_backward,
                     &KernelTable::feature_gate_backward_workspace);

struct Shape {
  std::int64_t rows, width, rank;
};
constexpr Shape kShapes[] = {{0, 3, 2},   {1, 1, 1},    {7, 31, 4},   {33, 33, 1},
                             {128, 5, 3}, {257, 17, 4}, {3, 1025, 2}, {5, 6, 5}};

// HoME's feature gate in float64.
struct Gate {
  std::size_t rows, width, rank;
  std::vector<double> x, a, b;

  std::vector<double> forward() const {
    std::vector<double> u;
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t k = 0; k < width; ++k) {
        double logit = 0;
        for (std::size_t j = 0; j < rank; ++j)
          for (std::size_t i = 0; i < width; ++i) logit += x[r * width + i] * a[i * rank + j] * b[k * rank + j];
        u.push_back(x[r * width + k] * 2 / (1 + std::exp(-logit)));
      }
    return u;
  }
};

struct Case {
  Case(const Shape& shape, std::int64_t gap)
      : s(shape),
        draw(41),
        x(draw, s.rows, s.width, gap),
        a(draw, s.width, s.rank),
        b(draw, s.width, s.rank),
        u(s.rows, s.width, gap + 1),
        hidden(s.rows, s.rank),
        du(draw, s.rows, s.width, gap),
        dx(s.rows, s.width, gap + 2),
        da(s.width, s.rank),
        db(s.width, s.rank) {}

  void forward(const KernelTable& kernels) {
    kernels.feature_gate_forward(x.data(), x.stride(), a.data(), b.data(), u.data(), u.stride(), hidden.data(), s.rows,
                                 s.width, s.rank);
  }
  void backward(const KernelTable& kernels, bool accumulate, bool want_dx = true) {
    Matrix workspace(1, kernels.feature_gate_backward_workspace(s.rows, s.width, s.rank));
    kernels.feature_gate_backward(x.data(), x.stride(), a.data(), b.data(), hidden.data(), du.data(), du.stride(),
                                  want_dx ? dx.data() : nullptr, dx.stride(), accumulate, da.data(), db.data(), s.rows,
                                  s.width, s.rank, workspace.data());
  }
  Gate reference() const {
    const auto n = [](std::int64_t size) { return static_cast<std::size_t>(size); };
    return {n(s.rows), n(s.width), n(s.rank), x.wide(), a.wide(), b.wide()};
  }

  Shape s;
  Draw draw;
  Matrix x, a, b, u, hidden, du, dx, da, db;
};

TEST_CASE("feature_gate_forward is x times twice the sigmoid of a low-rank product", "[kernels][feature_gate]") {
  for_each_device([](const KernelTable& kernels) {
    for (const Shape& s : kShapes)
      for (const std::int64_t gap : {0, 3}) {
        INFO(s.rows << " x " << s.width << ", rank " << s.rank << ", gap " << gap);
        Case c(s, gap);
        c.forward(kernels);
        CHECK(mismatch(c.u, c.reference().forward(), 4e-6) == "");
        c.b.fill(0);
        c.forward(kernels);
        CHECK(mismatch(c.u, c.x.wide(), 1e-7) == "");
      }
  });
}

TEST_CASE("feature_gate_backward against central differences", "[kernels][feature_gate]") {
  for_each_device([](const KernelTable& kernels) {
    for (const Shape& s : {Shape{1, 1, 1}, Shape{5, 7, 3}, Shape{131, 3, 2}, Shape{37, 8, 4}, Shape{9, 6, 5}}) {
      INFO(s.rows << " x " << s.width << ", rank " << s.rank);
      Case c(s, 1);
      Gate reference = c.reference();
      const auto du = c.du.wide();
      const auto loss = [&] { return dot(reference.forward(), du); };
      const auto dx = central_differences(reference.x, loss);
      c.forward(kernels);
      c.backward(kernels, false);
      CHECK(mismatch(c.dx, dx, 4e-6) == "");
      CHECK(mismatch(c.da, central_differences(reference.a, loss), 4e-6) == "");
      CHECK(mismatch(c.db, central_differences(reference.b, loss), 4e-6) == "");
      const Bits parameters = Bits().add(c.da).add(c.db);
      c.backward(kernels, true);
      CHECK(mismatch(c.dx, plus(dx, dx), 8e-6) == "");
      c.backward(kernels, false, false);
      CHECK(bool(parameters == Bits().add(c.da).add(c.db)));
    }
  });
}

TEST_CASE("feature_gate of a row that fills a block's memory is the CPU's", "[kernels][feature_gate]") {
  for_each_device([](const KernelTable& kernels) {
    Case c({9, 4100, 4}, 1), want({9, 4100, 4}, 1);
    for (Case* each : {&c, &want})
      for (Matrix* m : {&each->a, &each->b})
        for (std::int64_t i = 0; i < 4100 * 4; ++i) m->data()[i] *= 0.02F;
    want.forward(kernels::cpu_kernels());
    want.backward(kernels::cpu_kernels(), false);
    c.forward(kernels);
    c.backward(kernels, false);
    CHECK(mismatch(c.u, want.u.wide(), 1e-5) == "");
    CHECK(mismatch(c.dx, want.dx.wide(), 1e-5) == "");
    CHECK(mismatch(c.da, want.da.wide(), 1e-5) == "");
    CHECK(mismatch(c.db, want.db.wide(), 1e-5) == "");
  });
}

TEST_CASE("feature_gate of an empty batch has zero gradients; extreme logits stay finite", "[kernels][feature_gate]") {
  for_each_device([](const KernelTable& kernels) {
    Case empty({0, 3, 2}, 0);
    empty.backward(kernels, false);
    CHECK(mismatch(empty.da, std::vector<double>(6), 0) == "");
    CHECK(mismatch(empty.db, std::vector<double>(6), 0) == "");
    Case c({2, 3, 1}, 0);
    c.a.fill(1e3F);
    c.b.fill(1e3F);
    c.forward(kernels);
    c.backward(kernels, false);
    for (const Matrix* m : {&c.u, &c.dx, &c.da, &c.db})
      for (const double value : m->wide()) CHECK(std::isfinite(value));
  });
}

TEST_CASE("feature_gate gives the same bits for any number of threads", "[kernels][feature_gate]") {
  check_same_bits([&](const KernelTable& kernels) {
    Case c({1025, 33, 4}, 1);
    c.forward(kernels);
    c.backward(kernels, false);
    return Bits().add(c.u).add(c.hidden).add(c.dx).add(c.da).add(c.db);
  });
}

const CoversManyRows kManyRows(kCovers);
TEST_CASE("feature_gate of many rows", "[kernels][feature_gate]") {
  for_each_device_of_many_rows(kCovers, [](const KernelTable& kernels, std::int64_t rows) {
    constexpr std::int64_t kSmall = 61;
    const Case small({kSmall, 5, 2}, 0);
    Case c({rows, 5, 2}, 1);
    for (const auto& member : {&Case::x, &Case::a, &Case::b, &Case::du}) repeat_rows(c.*member, small.*member);
    Gate reference = small.reference();
    const auto du = small.du.wide(), all_du = times_counts(du, kSmall, rows);
    const auto loss = [&] { return dot(reference.forward(), all_du); };
    c.forward(kernels);
    c.backward(kernels, false);
    CHECK(mismatch(c.u, repeated(reference.forward(), kSmall, rows), 4e-6) == "");
    const auto dx = central_differences(reference.x, [&] { return dot(reference.forward(), du); });
    CHECK(mismatch(c.dx, repeated(dx, kSmall, rows), 4e-6) == "");
    CHECK(mismatch(c.da, central_differences(reference.a, loss), many_rows_tolerance(rows)) == "");
    CHECK(mismatch(c.db, central_differences(reference.b, loss), many_rows_tolerance(rows)) == "");
  });
}

}  // namespace mal::test::feature_gate

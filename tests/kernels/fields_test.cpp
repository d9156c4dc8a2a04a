#include "tests/kernels/kernel_test.h"

namespace mal::test::fields {

const Covers kCovers(&KernelTable::field_mean_forward, &KernelTable::field_mean_backward,
                     &KernelTable::field_scale_forward, &KernelTable::field_scale_backward);

using Offsets = std::vector<std::int32_t>;
// One column each.
Offsets narrow_fields(std::int32_t count) {
  Offsets offsets;
  for (std::int32_t f = 0; f <= count; ++f) offsets.push_back(f);
  return offsets;
}
const std::vector<Offsets> kOffsets = {{0, 1},        {0, 31},           {0, 1, 2, 3}, {0, 16, 17, 50, 52},
                                       {0, 33, 1025}, narrow_fields(515)};
constexpr std::int64_t kRows[] = {0, 1, 7, 33, 128, 257};

// SENet's two ends in float64.
struct Fields {
  std::int64_t rows;
  Offsets offsets;
  std::vector<double> x, logits;

  std::size_t count() const { return offsets.size() - 1; }
  std::size_t width() const { return static_cast<std::size_t>(offsets.back()); }
  std::size_t field_of(std::size_t column) const {
    std::size_t f = 0;
    while (static_cast<std::size_t>(offsets[f + 1]) <= column) ++f;
    return f;
  }
  std::vector<double> means() const {
    std::vector<double> result(static_cast<std::size_t>(rows) * count());
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::size_t f = field_of(i % width());
      result[i / width() * count() + f] += x[i] / (offsets[f + 1] - offsets[f]);
    }
    return result;
  }
  std::vector<double> scaled() const {
    std::vector<double> result;
    for (std::size_t i = 0; i < x.size(); ++i)
      result.push_back(x[i] * 2 / (1 + std::exp(-logits[i / width() * count() + field_of(i % width())])));
    return result;
  }
};

struct Case {
  Case(std::int64_t row_count, const Offsets& o, std::int64_t gap)
      : rows(row_count),
        offsets(o),
        draw(31),
        x(draw, rows, offsets.back(), gap),
        logits(draw, rows, count(), gap + 1, -3, 3),
        mean(rows, count(), gap),
        y(rows, offsets.back(), gap + 2),
        dy(draw, rows, offsets.back(), gap),
        dmean(draw, rows, count(), gap + 1),
        dx(rows, offsets.back(), gap + 3),
        dlogits(rows, count(), 2 * gap) {}

  std::int64_t count() const { return static_cast<std::int64_t>(offsets.size()) - 1; }
  Fields reference() const { return {rows, offsets, x.wide(), logits.wide()}; }
  void mean_forward(const KernelTable& k) {
    k.field_mean_forward(x.data(), x.stride(), offsets.data(), count(), mean.data(), mean.stride(), rows);
  }
  void mean_backward(const KernelTable& k, bool accumulate) {
    k.field_mean_backward(dmean.data(), dmean.stride(), offsets.data(), count(), dx.data(), dx.stride(), accumulate,
                          rows);
  }
  void scale_forward(const KernelTable& k) {
    k.field_scale_forward(x.data(), x.stride(), logits.data(), logits.stride(), offsets.data(), count(), y.data(),
                          y.stride(), rows);
  }
  void scale_backward(const KernelTable& k, bool accumulate, bool want_x = true, bool want_logits = true) {
    k.field_scale_backward(x.data(), x.stride(), logits.data(), logits.stride(), offsets.data(), count(), dy.data(),
                           dy.stride(), want_x ? dx.data() : nullptr, dx.stride(), accumulate,
                           want_logits ? dlogits.data() : nullptr, dlogits.stride(), accumulate, rows);
  }

  std::int64_t rows;
  Offsets offsets;
  Draw draw;
  Matrix x, logits, mean, y, dy, dmean, dx, dlogits;
};

template <typename Body>
void for_each_case(const Body& body) {
  for_each_device([&](const KernelTable& kernels) {
    for (const Offsets& offsets : kOffsets)
      for (const std::int64_t rows : kRows)
        for (const std::int64_t gap : {0, 2}) {
          INFO(rows << " rows of " << offsets.size() - 1 << " fields, " << offsets.back() << " columns, gap " << gap);
          Case c(rows, offsets, gap);
          body(kernels, c);
        }
  });
}

TEST_CASE("field_mean and field_scale are their formulas", "[kernels][fields]") {
  for_each_case([](const KernelTable& kernels, Case& c) {
    c.mean_forward(kernels);
    c.scale_forward(kernels);
    CHECK(mismatch(c.mean, c.reference().means(), 1e-6) == "");
    CHECK(mismatch(c.y, c.reference().scaled(), 1e-6) == "");
  });
}

TEST_CASE("field_mean_backward spreads a mean's gradient over its field", "[kernels][fields]") {
  for_each_case([](const KernelTable& kernels, Case& c) {
    const Fields reference = c.reference();
    const auto dmean = c.dmean.wide();
    std::vector<double> want(reference.x.size());
    for (std::size_t i = 0; i < want.size(); ++i) {
      const std::size_t f = reference.field_of(i % reference.width());
      want[i] = dmean[i / reference.width() * reference.count() + f] / (c.offsets[f + 1] - c.offsets[f]);
    }
    c.mean_backward(kernels, false);
    CHECK(mismatch(c.dx, want, 1e-6) == "");
    c.dx = Matrix(c.draw, c.rows, c.offsets.back(), 1);
    const auto before = c.dx.wide();
    c.mean_backward(kernels, true);
    CHECK(mismatch(c.dx, plus(before, want), 1e-6) == "");
  });
}

TEST_CASE("field_scale_backward against central differences", "[kernels][fields]") {
  for_each_device([](const KernelTable& kernels) {
    for (const Offsets& offsets : {Offsets{0, 1}, Offsets{0, 3, 4, 9}}) {
      Case c(5, offsets, 1);
      Fields reference = c.reference();
      const auto dy = c.dy.wide();
      const auto loss = [&] { return dot(reference.scaled(), dy); };
      const auto dx = central_differences(reference.x, loss), dlogits = central_differences(reference.logits, loss);
      c.scale_backward(kernels, false);
      CHECK(mismatch(c.dx, dx, 1e-6) == "");
      CHECK(mismatch(c.dlogits, dlogits, 1e-6) == "");
      Case partial(5, offsets, 1);
      partial.scale_backward(kernels, false, false, true);
      CHECK(mismatch(partial.dlogits, dlogits, 1e-6) == "");
      partial.scale_backward(kernels, false, true, false);
      CHECK(mismatch(partial.dx, dx, 1e-6) == "");
      c.scale_backward(kernels, true);
      CHECK(mismatch(c.dx, plus(dx, dx), 1e-6) == "");
      CHECK(mismatch(c.dlogits, plus(dlogits, dlogits), 1e-6) == "");
    }
  });
}

TEST_CASE("field_scale of extreme logits closes or doubles; NaN is not hidden", "[kernels][fields]") {
  for_each_device([](const KernelTable& kernels) {
    Case c(3, {0, 2, 4}, 0);
    c.logits.fill(300);
    c.logits.at(1, 0) = -300;
    c.logits.at(2, 1) = std::numeric_limits<float>::quiet_NaN();
    c.scale_forward(kernels);
    c.scale_backward(kernels, false);
    CHECK(c.y.at(0, 0) == 2 * c.x.at(0, 0));
    CHECK(std::abs(c.y.at(1, 1)) < 1e-30F);
    CHECK(std::isnan(c.y.at(2, 2)));
    CHECK(std::isfinite(c.dlogits.at(1, 0)));
  });
}

TEST_CASE("field kernels give the same bits for any number of threads", "[kernels][fields]") {
  check_same_bits([&](const KernelTable& kernels) {
    Case c(1025, {0, 16, 17, 50}, 1);
    c.mean_forward(kernels);
    c.scale_forward(kernels);
    c.scale_backward(kernels, false);
    return Bits().add(c.mean).add(c.y).add(c.dx).add(c.dlogits);
  });
}

const CoversManyRows kManyRows(kCovers);
TEST_CASE("fields of many rows", "[kernels][fields]") {
  for_each_device_of_many_rows(kCovers, [](const KernelTable& kernels, std::int64_t rows) {
    Case c(rows, {0, 2, 3, 7}, 1);
    const Fields reference = c.reference();
    c.mean_forward(kernels);
    c.scale_forward(kernels);
    CHECK(mismatch(c.mean, reference.means(), 1e-6) == "");
    CHECK(mismatch(c.y, reference.scaled(), 1e-6) == "");
    const auto dy = c.dy.wide(), dmean = c.dmean.wide();
    std::vector<double> of_mean(dy.size()), dx(dy.size()), dlogits(dmean.size());
    for (std::size_t i = 0; i < dy.size(); ++i) {
      const std::size_t f = reference.field_of(i % reference.width()),
                        at = i / reference.width() * reference.count() + f;
      const double sigmoid = 1 / (1 + std::exp(-reference.logits[at]));
      of_mean[i] = dmean[at] / (c.offsets[f + 1] - c.offsets[f]);
      dx[i] = 2 * sigmoid * dy[i];
      dlogits[at] += 2 * sigmoid * (1 - sigmoid) * dy[i] * reference.x[i];
    }
    c.mean_backward(kernels, false);
    CHECK(mismatch(c.dx, of_mean, 1e-6) == "");
    c.scale_backward(kernels, false);
    CHECK(mismatch(c.dx, dx, 1e-6) == "");
    CHECK(mismatch(c.dlogits, dlogits, 1e-6) == "");
  });
}

}  // namespace mal::test::fields

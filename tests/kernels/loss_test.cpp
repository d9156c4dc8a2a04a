#include "tests/kernels/kernel_test.h"

namespace mal::test::loss {

using kernels::HeadKind;
using kernels::LossHead;
using kernels::Reduction;

const Covers kCovers(&KernelTable::multi_view_loss, &KernelTable::multi_view_loss_workspace);

constexpr Reduction kReductions[] = {Reduction::mean, Reduction::sum, Reduction::weight_mean};
constexpr std::int64_t kViews = 4;

// Three views out of order and with different λ, a cartesian head over two of the views, a column of nobody.
constexpr std::int64_t kColumns = 8;
std::vector<LossHead> heads() {
  return {{HeadKind::view, 7, 1, {2}, 1.0F},
          {HeadKind::view, 0, 1, {0}, 0.25F},
          {HeadKind::cartesian, 2, 2, {3, 1}, 0.5F},
          {HeadKind::view, 6, 1, {3}, 2.0F}};
}

// Sums of logarithms of sums as they stand in the formula; e^10000 fits a long double.
using Wide = long double;
struct Batch {
  std::int64_t rows, columns;
  std::vector<double> logits, credits, weights;  // weights: of the rows; empty: all are 1
  double weight_mean = 1;

  Wide row_weight(std::int64_t r) const {
    return weights.empty() ? 1 : static_cast<Wide>(weights[static_cast<std::size_t>(r)]) / weight_mean;
  }
  Wide logit(std::int64_t r, std::int64_t c) const { return logits[static_cast<std::size_t>(r * columns + c)]; }
  double credit(std::int64_t r, std::int32_t view) const {
    return credits[static_cast<std::size_t>(r * kViews + view)];
  }
  Wide weight(const LossHead& head, std::int64_t r) const {
    if (head.kind == HeadKind::cartesian) return row_weight(r);
    return row_weight(r) * (credit(r, head.views[0]) > 0 ? credit(r, head.views[0]) : 1);
  }
  std::int64_t label(const LossHead& head, std::int64_t r) const {
    std::int64_t label = 0;
    for (std::int32_t k = 0, value = 1; k < head.view_count; ++k, value *= 2)
      if (credit(r, head.views[k]) > 0) label += value;
    return label;
  }
  std::int64_t classes(const LossHead& head) const { return std::int64_t{1} << head.view_count; }
  Wide row_loss(const LossHead& head, std::int64_t r) const {
    if (head.kind == HeadKind::view) {
      // −log p = log(1 + e^−x), −log(1 − p) = log(1 + e^x)
      const Wide x = logit(r, head.column);
      return weight(head, r) * std::log1p(std::exp(label(head, r) == 1 ? -x : x));
    }
    Wide sum = 0;
    for (std::int64_t c = 0; c < classes(head); ++c) sum += std::exp(logit(r, head.column + c));
    return weight(head, r) * (std::log(sum) - logit(r, head.column + label(head, r)));
  }
  Wide divisor(const LossHead& head, Reduction reduction) const {
    if (reduction == Reduction::sum) return 1;
    if (reduction == Reduction::mean) return static_cast<Wide>(rows);
    Wide sum = 0;
    for (std::int64_t r = 0; r < rows; ++r) sum += weight(head, r);
    return sum > 0 ? sum : 1;  // of nothing but weights of 0
  }
  double loss(const LossHead& head, Reduction reduction) const {
    if (rows == 0) return 0;
    Wide sum = 0;
    for (std::int64_t r = 0; r < rows; ++r) sum += row_loss(head, r);
    return static_cast<double>(sum / divisor(head, reduction));
  }
  std::vector<double> gradient(const std::vector<LossHead>& all, Reduction reduction) const {
    std::vector<double> result(logits.size());
    for (const LossHead& head : all) {
      const Wide factor = static_cast<Wide>(head.scale) / divisor(head, reduction);
      for (std::int64_t r = 0; r < rows; ++r) {
        const auto at = [&](std::int64_t c) { return static_cast<std::size_t>(r * columns + head.column + c); };
        if (head.kind == HeadKind::view) {
          const Wide x = logit(r, head.column);
          // p − 1 = −1 / (1 + e^x), p = 1 / (1 + e^−x)
          const Wide error = label(head, r) == 1 ? -1 / (1 + std::exp(x)) : 1 / (1 + std::exp(-x));
          result[at(0)] = static_cast<double>(factor * weight(head, r) * error);
          continue;
        }
        Wide sum = 0;
        for (std::int64_t c = 0; c < classes(head); ++c) sum += std::exp(logit(r, head.column + c));
        for (std::int64_t c = 0; c < classes(head); ++c) {
          const Wide p = std::exp(logit(r, head.column + c)) / sum;
          result[at(c)] = static_cast<double>(factor * weight(head, r) * (p - (c == label(head, r) ? 1 : 0)));
        }
      }
    }
    return result;
  }
};

struct Case {
  Case(std::int64_t row_count, std::int64_t gap, std::vector<LossHead> all = heads(), std::int64_t width = kColumns)
      : rows(row_count),
        columns(width),
        loss_heads(std::move(all)),
        draw(61),
        logits(draw, rows, columns, gap, -4, 4),
        credits(draw, rows, kViews, gap + 1),
        weights(draw, rows, 1, gap),
        dlogits(rows, columns, 2 * gap),
        losses(loss_heads.size(), -1) {
    // Half of the credits are 0, the others 1 or a share.
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t v = 0; v < kViews; ++v) {
        const float share = credits.at(r, v);
        credits.at(r, v) = share < 0 ? 0 : share < 0.4F ? 1 : share;
      }
    // A third of the rows counts for nothing, the others for up to 20.
    for (std::int64_t r = 0; r < rows; ++r) weights.at(r, 0) = std::max(0.0F, 15 * weights.at(r, 0) + 5);
  }
  void run(const KernelTable& kernels, Reduction reduction) {
    const auto count = static_cast<std::int32_t>(loss_heads.size());
    Vector<double> workspace(static_cast<std::size_t>(kernels.multi_view_loss_workspace(rows, count)));
    kernels.multi_view_loss(logits.data(), logits.stride(), credits.data(), credits.stride(),
                            weighted ? weights.data() : nullptr, weights.stride(), weight_mean, loss_heads.data(),
                            count, reduction, dlogits.data(), dlogits.stride(), columns, losses.data(), rows,
                            workspace.data());
  }
  Case& weigh(double mean) {
    weighted = true;
    weight_mean = mean;
    return *this;
  }
  Batch batch() const {
    return {rows,       columns, logits.wide(), credits.wide(), weighted ? weights.wide() : std::vector<double>(),
            weight_mean};
  }
  void check(const KernelTable& kernels, Reduction reduction) {
    INFO(rows << " rows, reduction " << static_cast<int>(reduction));
    run(kernels, reduction);
    for (std::size_t h = 0; h < loss_heads.size(); ++h)
      CHECK(losses[h] == Approx(batch().loss(loss_heads[h], reduction)).epsilon(1e-12).margin(1e-300));
    CHECK(mismatch(dlogits, batch().gradient(loss_heads, reduction), 2e-7, 1e-5) == "");
  }

  std::int64_t rows, columns;
  std::vector<LossHead> loss_heads;
  Draw draw;
  Matrix logits, credits, weights, dlogits;
  Vector<double> losses;
  bool weighted = false;
  double weight_mean = 1;
};

TEST_CASE("multi_view_loss: value and gradient of views and a cartesian head", "[kernels][loss]") {
  for_each_device([](const KernelTable& kernels) {
    for (const std::int64_t rows : {0, 1, 7, 31, 33, 127, 128, 129, 1025})
      for (const std::int64_t gap : {0, 3})
        for (const Reduction reduction : kReductions) Case(rows, gap).check(kernels, reduction);
  });
}

TEST_CASE("multi_view_loss of weighted rows", "[kernels][loss]") {
  for_each_device([](const KernelTable& kernels) {
    for (const std::int64_t rows : {0, 1, 7, 33, 129, 1025})
      for (const std::int64_t gap : {0, 3})
        for (const Reduction reduction : kReductions)
          for (const double mean : {1.0, 6.75}) Case(rows, gap).weigh(mean).check(kernels, reduction);
    for (const Reduction reduction : kReductions) {
      Case twelve(3, 0, {{HeadKind::cartesian, 0, 12, {0, 1, 2, 3, 0, 1, 2, 3, 3, 2, 1, 0}, 1.0F}}, 4096);
      twelve.weigh(2).check(kernels, reduction);
    }
  });
}

TEST_CASE("multi_view_loss of rows that all weigh nothing, and of rows that all weigh the same", "[kernels][loss]") {
  for_each_device([](const KernelTable& kernels) {
    for (const Reduction reduction : kReductions) {
      Case none(33, 1), plain(33, 1), same(33, 1);
      none.weights.fill(0);
      none.weigh(0.5).run(kernels, reduction);
      CHECK(mismatch(none.dlogits, std::vector<double>(33 * kColumns), 0) == "");
      for (const double loss : none.losses) CHECK(loss == 0);
      plain.run(kernels, reduction);
      same.weights.fill(0.7F);
      same.weigh(static_cast<double>(0.7F)).run(kernels, reduction);
      // Bit for bit: w / mean is 1.
      CHECK(mismatch(same.dlogits, plain.dlogits.wide(), 0) == "");
      for (std::size_t h = 0; h < plain.losses.size(); ++h) CHECK(same.losses[h] == plain.losses[h]);
    }
  });
}

TEST_CASE("multi_view_loss against central differences", "[kernels][loss]") {
  for_each_device([](const KernelTable& kernels) {
    for (const Reduction reduction : kReductions) {
      Case c(7, 1);
      c.run(kernels, reduction);
      Batch batch = c.batch();
      const auto numeric = central_differences(batch.logits, [&] {
        double sum = 0;
        for (const LossHead& head : c.loss_heads) sum += static_cast<double>(head.scale) * batch.loss(head, reduction);
        return sum;
      });
      CHECK(mismatch(c.dlogits, numeric, 2e-7) == "");
    }
  });
}

TEST_CASE("multi_view_loss of extreme logits", "[kernels][loss]") {
  for_each_device([](const KernelTable& kernels) {
    for (const Reduction reduction : kReductions) {
      Case c(129, 0);
      constexpr float kExtremes[] = {100, -100, 1e4F, -1e4F, 0, -0.0F, 1e-30F, 17, -17, 40, -40};
      for (std::int64_t i = 0; i < c.rows * c.columns; ++i) c.logits.data()[i] = kExtremes[c.draw.below(11)];
      c.check(kernels, reduction);
      for (const double loss : c.losses) CHECK(std::isfinite(loss));
    }
  });
}

TEST_CASE("multi_view_loss of credits 0, 1 and tiny", "[kernels][loss]") {
  for_each_device([](const KernelTable& kernels) {
    for (const Reduction reduction : kReductions)
      for (const float credit : {0.0F, 1.0F, 1e-3F, 1e-30F, 1e-45F}) {
        INFO("credit " << credit);
        Case c(33, 0);
        c.credits.fill(credit);
        c.check(kernels, reduction);
        for (std::int64_t r = 0; r < 16; ++r) c.credits.at(r, 3) = 1 - credit;
        c.check(kernels, reduction);
      }
  });
}

TEST_CASE("a cartesian head finds its class for every set of labels", "[kernels][loss]") {
  for_each_device([](const KernelTable& kernels) {
    Case c(16, 0, {{HeadKind::cartesian, 1, 4, {1, 3, 0, 2}, 1.0F}}, 18);
    for (std::int64_t r = 0; r < 16; ++r) {
      constexpr std::int64_t kView[] = {1, 3, 0, 2};
      for (std::int64_t k = 0; k < 4; ++k) c.credits.at(r, kView[k]) = (r >> k & 1) == 1 ? 0.5F : 0;
    }
    c.check(kernels, Reduction::sum);
    for (std::int64_t r = 0; r < 16; ++r)
      for (std::int64_t k = 0; k < 16; ++k) CHECK(bool(c.dlogits.at(r, 1 + k) < 0) == bool(k == r));
  });
}

TEST_CASE("a cartesian head of twelve views", "[kernels][loss]") {
  for_each_device([](const KernelTable& kernels) {
    Case c(3, 0, {{HeadKind::cartesian, 0, 12, {0, 1, 2, 3, 0, 1, 2, 3, 3, 2, 1, 0}, 1.0F}}, 4096);
    c.check(kernels, Reduction::mean);
  });
}

TEST_CASE("multi_view_loss without heads clears the gradient", "[kernels][loss]") {
  for_each_device([](const KernelTable& kernels) {
    Case c(33, 2, {}, 3);
    c.run(kernels, Reduction::mean);
    CHECK(mismatch(c.dlogits, std::vector<double>(33 * 3), 0) == "");
  });
}

TEST_CASE("multi_view_loss gives the same bits for any number of threads", "[kernels][loss]") {
  for (const Reduction reduction : kReductions)
    check_same_bits([&](const KernelTable& kernels) {
      Case c(1025, 1);
      c.weigh(3).run(kernels, reduction);
      return Bits().add(c.dlogits).add(c.losses);
    });
}

const CoversManyRows kManyRows(kCovers);
TEST_CASE("multi_view_loss of many rows", "[kernels][loss]") {
  for_each_device_of_many_rows(kCovers, [](const KernelTable& kernels, std::int64_t rows) {
    for (const Reduction reduction : {Reduction::mean, Reduction::weight_mean}) Case(rows, 1).check(kernels, reduction);
  });
}

}  // namespace mal::test::loss

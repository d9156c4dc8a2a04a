#include "tests/kernels/kernel_test.h"

namespace mal::test::optimizer {

using kernels::DenseRule;
using kernels::DenseTensor;
using kernels::GradientNorm;
using kernels::OptimizerStep;
using kernels::SparseRule;
using kernels::SparseTensor;

const Covers kCovers(&KernelTable::dense_update, &KernelTable::sparse_update, &KernelTable::sparse_state_width);

constexpr DenseRule kDenseRules[] = {DenseRule::sgd, DenseRule::adagrad, DenseRule::adam, DenseRule::adamw};
constexpr SparseRule kSparseRules[] = {SparseRule::sgd,       SparseRule::adagrad, SparseRule::rowwise_adagrad,
                                       SparseRule::lazy_adam, SparseRule::ftrl,    SparseRule::adam_dense};

enum class Formula { sgd, adagrad, adam, adamw, rowwise_adagrad, ftrl };
Formula formula_of(DenseRule rule) {
  constexpr Formula kFormulas[] = {Formula::sgd, Formula::adagrad, Formula::adam, Formula::adamw};
  return kFormulas[static_cast<int>(rule)];
}
Formula formula_of(SparseRule rule) {
  constexpr Formula kFormulas[] = {Formula::sgd,  Formula::adagrad, Formula::rowwise_adagrad,
                                   Formula::adam, Formula::ftrl,    Formula::adam};
  return kFormulas[static_cast<int>(rule)];
}

// A step's constants, with what the kernels get beside them.
struct Settings : OptimizerStep {
  GradientNorm norm;
};

Settings settings(float rate, float l2, float momentum, float gradient_scale, std::int64_t step) {
  const OptimizerStep constants = {.rate = rate,
                                   .beta1 = 0.9F,
                                   .beta2 = 0.98F,
                                   .eps = 1e-3F,
                                   .l1 = 0.3F,
                                   .l2 = l2,
                                   .momentum = momentum,
                                   .beta = 0.7F,
                                   .step = step};
  return {constants, {1, gradient_scale, 1}};
}

// One weight and its state, by the formulas of kernels.h in float64. `mean_square` is the row's mean of g².
struct Weight {
  double w, s1, s2;

  double gradient(Formula formula, const Settings& step, double g) const {
    g *= static_cast<double>(step.norm.scale);
    return formula == Formula::adamw || formula == Formula::ftrl ? g : g + static_cast<double>(step.l2) * w;
  }
  void update(Formula formula, const Settings& step, double raw, double mean_square = 0) {
    const double rate = static_cast<double>(step.rate), beta1 = static_cast<double>(step.beta1),
                 beta2 = static_cast<double>(step.beta2), eps = static_cast<double>(step.eps),
                 l1 = static_cast<double>(step.l1), l2 = static_cast<double>(step.l2),
                 momentum = static_cast<double>(step.momentum), beta = static_cast<double>(step.beta),
                 t = static_cast<double>(step.step);
    const double g = gradient(formula, step, raw);
    switch (formula) {
      case Formula::sgd:
        s1 = momentum * s1 + g;
        w = w - rate * s1;
        return;
      case Formula::adagrad:
        s1 = s1 + g * g;
        w = w - rate * g / (std::sqrt(s1) + eps);
        return;
      case Formula::rowwise_adagrad:
        s1 = s1 + mean_square;
        w = w - rate * g / (std::sqrt(s1) + eps);
        return;
      case Formula::adamw:
        w = w - rate * l2 * w;
        [[fallthrough]];
      case Formula::adam:
        s1 = beta1 * s1 + (1 - beta1) * g;
        s2 = beta2 * s2 + (1 - beta2) * g * g;
        w = w - rate / (1 - std::pow(beta1, t)) * s1 / (std::sqrt(s2) / std::sqrt(1 - std::pow(beta2, t)) + eps);
        return;
      case Formula::ftrl: {
        const double n = s2 + g * g;
        s1 = s1 + g - (std::sqrt(n) - std::sqrt(s2)) / rate * w;
        s2 = n;
        const double sign = s1 > 0 ? 1 : -1;
        w = std::abs(s1) <= l1 ? 0 : -(s1 - sign * l1) / ((beta + std::sqrt(s2)) / rate + l2);
        return;
      }
    }
  }
};

// ---- dense --------------------------------------------------------------------------------------------------------

// Tensors of odd sizes, around the block of 4096 elements too, as one call takes them.
struct Dense {
  Dense(DenseRule dense_rule, float with_momentum, std::vector<std::int64_t> sizes)
      : rule(dense_rule), momentum(with_momentum), draw(71) {
    for (const std::int64_t size : sizes) {
      weights.emplace_back(draw, 1, size);
      gradients.emplace_back(1, size);
      for (auto* state : {&state1, &state2}) state->emplace_back(1, size).fill(0);
      auto& mine = slow.emplace_back();
      for (const double w : weights.back().wide()) mine.push_back({w, 0, 0});
    }
  }
  bool has_state1() const { return rule != DenseRule::sgd || momentum != 0; }
  bool has_state2() const { return rule == DenseRule::adam || rule == DenseRule::adamw; }

  void step(const KernelTable& kernels, const Settings& constants, bool with_slow = true) {
    std::vector<DenseTensor> tensors;
    for (std::size_t t = 0; t < weights.size(); ++t) {
      const std::int64_t size = weights[t].width();
      for (std::int64_t i = 0; i < size; ++i) gradients[t].at(0, i) = draw.uniform(-1, 1.5F);
      tensors.push_back({weights[t].data(), gradients[t].data(), has_state1() ? state1[t].data() : nullptr,
                         has_state2() ? state2[t].data() : nullptr, size});
      for (std::int64_t i = 0; with_slow && i < size; ++i)
        slow[t][static_cast<std::size_t>(i)].update(formula_of(rule), constants,
                                                    static_cast<double>(gradients[t].at(0, i)));
    }
    kernels.dense_update(rule, on_device<OptimizerStep>(constants).data(), on_device(constants.norm).data(),
                         tensors.data(), static_cast<std::int32_t>(tensors.size()));
  }
  void check() const {
    for (std::size_t t = 0; t < weights.size(); ++t) {
      INFO("rule " << static_cast<int>(rule) << ", size " << weights[t].width());
      std::vector<double> w, s1, s2;
      for (const Weight& weight : slow[t]) {
        w.push_back(weight.w);
        s1.push_back(weight.s1);
        s2.push_back(weight.s2);
      }
      CHECK(mismatch(weights[t], w, 3e-6) == "");
      if (has_state1()) CHECK(mismatch(state1[t], s1, 3e-6) == "");
      if (has_state2()) CHECK(mismatch(state2[t], s2, 3e-6) == "");
    }
  }

  DenseRule rule;
  float momentum;
  Draw draw;
  std::vector<Matrix> weights, gradients, state1, state2;
  std::vector<std::vector<Weight>> slow;
};

TEST_CASE("dense_update follows each rule's formula for many steps", "[kernels][optimizer]") {
  for_each_device([](const KernelTable& kernels) {
    for (const DenseRule rule : kDenseRules)
      for (const float momentum : {0.0F, 0.9F})
        for (const float l2 : {0.0F, 0.1F}) {
          INFO("rule " << static_cast<int>(rule) << ", momentum " << momentum << ", l2 " << l2);
          if (rule != DenseRule::sgd && momentum != 0) continue;
          Dense small(rule, momentum, {0, 1, 7, 31, 33, 129}), blocks(rule, momentum, {1025, 4095, 4096, 4097});
          // The rate and the clipping change with every step.
          for (std::int64_t step = 1; step <= 60; ++step) {
            const auto n = static_cast<float>(step);
            const Settings constants = settings(0.02F + 0.001F * n, l2, momentum, 1 / (1 + n / 20), step);
            small.step(kernels, constants);
            if (step <= 3) blocks.step(kernels, constants);
            if (step <= 3) blocks.check();
            if (step <= 3 || step == 60) small.check();
          }
        }
  });
}

TEST_CASE("Adam's corrections far into a training", "[kernels][optimizer]") {
  for_each_device([](const KernelTable& kernels) {
    for (const DenseRule rule : {DenseRule::adam, DenseRule::adamw}) {
      Dense dense(rule, 0, {33});
      for (const std::int64_t step : {50, 1000, 1000000000}) dense.step(kernels, settings(0.05F, 0.1F, 0, 1, step));
      dense.check();
    }
  });
}

TEST_CASE("a gradient of zeros moves nothing", "[kernels][optimizer]") {
  for_each_device([](const KernelTable& kernels) {
    for (const DenseRule rule : kDenseRules) {
      Dense dense(rule, 0.5F, {33});
      const auto before = dense.weights[0].wide();
      dense.step(kernels, settings(0.1F, 0, 0.5F, 0, 1));
      CHECK(mismatch(dense.weights[0], before, 0) == "");
      dense.check();
    }
    const Settings step = settings(0.1F, 0, 0, 1, 1);
    kernels.dense_update(DenseRule::adam, on_device<OptimizerStep>(step).data(), on_device(step.norm).data(), nullptr,
                         0);
  });
}

TEST_CASE("dense_update of tiny and large gradients", "[kernels][optimizer]") {
  for_each_device([](const KernelTable& kernels) {
    for (const DenseRule rule : {DenseRule::adagrad, DenseRule::adam, DenseRule::adamw})
      for (const float scale : {1e-15F, 1e-6F, 1e15F}) {
        INFO("gradients times " << scale);
        Dense dense(rule, 0, {129});
        for (std::int64_t step = 1; step <= 3; ++step) dense.step(kernels, settings(0.01F, 0, 0, scale, step));
        std::vector<double> want;
        for (const Weight& weight : dense.slow[0]) want.push_back(weight.w);
        CHECK(mismatch(dense.weights[0], want, 3e-6) == "");
      }
  });
}

// ---- sparse -------------------------------------------------------------------------------------------------------

// A table whose rows hold weights and state, and a gap that nobody may touch.
struct Sparse {
  Sparse(const KernelTable& table, SparseRule sparse_rule, float with_momentum, std::int64_t row_count, std::int32_t d)
      : kernels(table),
        rule(sparse_rule),
        momentum(with_momentum),
        width(d),
        state(kernels.sparse_state_width(rule, width, momentum)),
        draw(72),
        rows(draw, row_count, width + state, (width + state) % 4 == 0 ? 4 : 3) {
    for (std::int64_t r = 0; r < row_count; ++r)
      for (std::int64_t c = 0; c < width + state; ++c) {
        if (c >= width) rows.at(r, c) = 0;
        if (c < width) slow.push_back({static_cast<double>(rows.at(r, c)), 0, 0});
      }
  }

  // Each row is touched with this probability.
  void step(const Settings& constants, float share, bool with_slow = true) {
    Vector<std::int32_t> touched;
    for (std::int64_t r = 0; r < rows.rows(); ++r)
      if (draw.uniform(0, 1) < share) touched.push_back(static_cast<std::int32_t>(r));
    const auto count = static_cast<std::int64_t>(touched.size());
    const Matrix values(draw, count, width, 0, -1, 1.5F);
    const auto device_count = on_device(count);
    const SparseTensor tensor{rows.data(),    rows.stride(), rows.rows(),         width,
                              touched.data(), values.data(), device_count.data(), rows.rows()};
    kernels.sparse_update(rule, on_device<OptimizerStep>(constants).data(), on_device(constants.norm).data(), &tensor,
                          1);
    if (!with_slow) return;
    std::int64_t next = 0;
    for (std::int64_t r = 0; r < rows.rows(); ++r) {
      const bool has_gradient = next < count && touched[static_cast<std::size_t>(next)] == r;
      if (has_gradient || rule == SparseRule::adam_dense)
        slow_row(constants, r, has_gradient ? &values : nullptr, next);
      if (has_gradient) ++next;
    }
  }
  void slow_row(const Settings& constants, std::int64_t r, const Matrix* values, std::int64_t at) {
    Weight* row = slow.data() + r * width;
    const Formula formula = formula_of(rule);
    const auto raw = [&](std::int32_t c) { return values == nullptr ? 0.0 : static_cast<double>(values->at(at, c)); };
    double mean_square = 0;
    for (std::int32_t c = 0; c < width; ++c)
      mean_square += std::pow(row[c].gradient(formula, constants, raw(c)), 2) / width;
    for (std::int32_t c = 0; c < width; ++c) row[c].update(formula, constants, raw(c), mean_square);
  }
  // Weights, state1 and state2 beside each other, as the rows of the table have them.
  void check() const {
    std::vector<double> want;
    for (std::int64_t r = 0; r < rows.rows(); ++r)
      for (std::int32_t c = 0; c < width + state; ++c) {
        const Weight& weight = slow[static_cast<std::size_t>(r * width + c % width)];
        want.push_back(c < width ? weight.w : c < 2 * width ? weight.s1 : weight.s2);
      }
    CHECK(mismatch(rows, want, 5e-6) == "");
  }

  const KernelTable& kernels;
  SparseRule rule;
  float momentum;
  std::int32_t width, state;
  Draw draw;
  Matrix rows;
  std::vector<Weight> slow;
};

TEST_CASE("sparse_update follows each rule's formula for many steps", "[kernels][optimizer]") {
  for_each_device([](const KernelTable& kernels) {
    for (const SparseRule rule : kSparseRules)
      for (const std::int32_t width : {1, 7, 20, 33})
        for (const std::int32_t rows : {1, 31, width == 1 ? 600 : 33})  // 600: several blocks of rows
          for (const float momentum : {0.0F, 0.9F})
            for (const float l2 : {0.0F, 0.1F}) {
              if (rule != SparseRule::sgd && momentum != 0) continue;
              INFO("rule " << static_cast<int>(rule) << ", width " << width << ", " << rows << " rows, momentum "
                           << momentum << ", l2 " << l2);
              Sparse sparse(kernels, rule, momentum, rows, width);
              for (std::int64_t step = 1; step <= 25; ++step) {
                const auto n = static_cast<float>(step);
                const float share = step == 3 ? 0.0F : step == 4 ? 2.0F : 0.5F;  // none, all, half
                sparse.step(settings(0.05F + 0.001F * n, l2, momentum, 1 / (1 + n / 20), step), share);
                if (step <= 4) sparse.check();
              }
              sparse.check();
            }
  });
}

TEST_CASE("rows without a gradient keep every bit, but for adam_dense", "[kernels][optimizer]") {
  for_each_device([](const KernelTable& kernels) {
    for (const SparseRule rule : kSparseRules) {
      INFO("rule " << static_cast<int>(rule));
      Sparse sparse(kernels, rule, 0.9F, 10, 7);
      sparse.step(settings(0.1F, 0.1F, 0.9F, 1, 1), 2);
      const Matrix before = sparse.rows;
      const Vector<std::int32_t> touched = {4};
      const Matrix values(sparse.draw, 1, 7);
      const Vector<std::int64_t> one{1};
      const Settings step = settings(0.1F, 0.1F, 0.9F, 1, 2);
      const SparseTensor tensor{sparse.rows.data(), sparse.rows.stride(), 10,         7,
                                touched.data(),     values.data(),        one.data(), 30};
      kernels.sparse_update(rule, on_device<OptimizerStep>(step).data(), on_device(step.norm).data(), &tensor, 1);
      for (std::int64_t r = 0; r < 10; ++r) {
        const std::int64_t at = r * before.stride();
        const bool same = std::memcmp(before.data() + at, sparse.rows.data() + at,
                                      static_cast<std::size_t>(before.width()) * sizeof(float)) == 0;
        INFO("row " << r);
        CHECK(same == (r != 4 && rule != SparseRule::adam_dense));
      }
    }
  });
}

TEST_CASE("sparse_update of several tables, one of them untouched", "[kernels][optimizer]") {
  for_each_device([](const KernelTable& kernels) {
    Sparse a(kernels, SparseRule::lazy_adam, 0, 300, 5), b(kernels, SparseRule::lazy_adam, 0, 40, 16),
        alone_a(kernels, SparseRule::lazy_adam, 0, 300, 5), alone_b(kernels, SparseRule::lazy_adam, 0, 40, 16);
    Vector<std::int32_t> rows_a(300), rows_b = {0, 7, 39};
    for (std::int32_t r = 0; r < 300; ++r) rows_a[static_cast<std::size_t>(r)] = r;
    Draw draw(73);
    const Matrix values_a(draw, 300, 5), values_b(draw, 3, 16);
    const Vector<std::int64_t> none{0}, three{3}, three_hundred{300};
    const auto tensor_a = [&](Sparse& s) {
      return SparseTensor{s.rows.data(),   s.rows.stride(),      300, 5, rows_a.data(),
                          values_a.data(), three_hundred.data(), 300};
    };
    const auto tensor_b = [&](Sparse& s) {
      return SparseTensor{s.rows.data(), s.rows.stride(), 40, 16, rows_b.data(), values_b.data(), three.data(), 40};
    };
    SparseTensor untouched = tensor_a(a);
    untouched.count = none.data();
    const Settings step = settings(0.1F, 0.1F, 0, 1, 1);
    const std::vector<SparseTensor> all = {tensor_b(b), untouched, tensor_a(a)};
    kernels.sparse_update(SparseRule::lazy_adam, on_device<OptimizerStep>(step).data(), on_device(step.norm).data(),
                          all.data(), 3);
    const SparseTensor only_a = tensor_a(alone_a), only_b = tensor_b(alone_b);
    kernels.sparse_update(SparseRule::lazy_adam, on_device<OptimizerStep>(step).data(), on_device(step.norm).data(),
                          &only_a, 1);
    kernels.sparse_update(SparseRule::lazy_adam, on_device<OptimizerStep>(step).data(), on_device(step.norm).data(),
                          &only_b, 1);
    CHECK(bool(Bits().add(a.rows).add(b.rows) == Bits().add(alone_a.rows).add(alone_b.rows)));
    kernels.sparse_update(SparseRule::lazy_adam, on_device<OptimizerStep>(step).data(), on_device(step.norm).data(),
                          nullptr, 0);
  });
}

TEST_CASE("ftrl sets weights to zero within l1", "[kernels][optimizer]") {
  for_each_device([](const KernelTable& kernels) {
    Sparse sparse(kernels, SparseRule::ftrl, 0, 1, 3);
    for (std::int32_t c = 0; c < 3; ++c) sparse.rows.at(0, c) = 0;
    Matrix values(1, 3);
    values.at(0, 0) = 0.3F;  // l1 itself
    values.at(0, 1) = -0.1F;
    values.at(0, 2) = -1;
    const Vector<std::int32_t> row{0};
    const Vector<std::int64_t> one{1};
    const Settings step = settings(0.5F, 0.2F, 0, 1, 1);
    const SparseTensor tensor{sparse.rows.data(), sparse.rows.stride(), 1, 3, row.data(), values.data(), one.data(), 1};
    kernels.sparse_update(SparseRule::ftrl, on_device<OptimizerStep>(step).data(), on_device(step.norm).data(), &tensor,
                          1);
    CHECK(sparse.rows.at(0, 0) == 0);
    CHECK(sparse.rows.at(0, 1) == 0);
    CHECK(sparse.rows.at(0, 2) == Approx((1 - 0.3) / ((0.7 + 1) / 0.5 + 0.2)));
  });
}

TEST_CASE("an update whose norm is not finite leaves every bit as it is", "[kernels][optimizer]") {
  for_each_device([](const KernelTable& kernels) {
    Settings step = settings(0.1F, 0.1F, 0.9F, 0.5F, 3);
    for (const std::int32_t finite : {0, 1}) {
      step.norm.finite = finite;
      for (const DenseRule rule : kDenseRules) {
        INFO("dense rule " << static_cast<int>(rule) << ", finite " << finite);
        Dense dense(rule, 0.9F, {7, 5000});
        const auto bits = [&] {
          Bits result;
          for (const auto* matrices : {&dense.weights, &dense.state1, &dense.state2})
            for (const Matrix& matrix : *matrices) result.add(matrix);
          return result;
        };
        const Bits before = bits();
        dense.step(kernels, step, false);
        CHECK(bool(bits() == before) == (finite == 0));
      }
      for (const SparseRule rule : kSparseRules) {
        INFO("sparse rule " << static_cast<int>(rule) << ", finite " << finite);
        Sparse sparse(kernels, rule, 0.9F, 600, 5);
        const Bits before = Bits().add(sparse.rows);
        sparse.step(step, 0.5F, false);
        CHECK(bool(Bits().add(sparse.rows) == before) == (finite == 0));
      }
    }
  });
}

TEST_CASE("sparse_state_width: floats of state a row", "[kernels][optimizer]") {
  for_each_device([](const KernelTable& kernels) {
    for (const std::int32_t width : {1, 16}) {
      CHECK(kernels.sparse_state_width(SparseRule::sgd, width, 0) == 0);
      CHECK(kernels.sparse_state_width(SparseRule::sgd, width, 0.9F) == width);
      CHECK(kernels.sparse_state_width(SparseRule::adagrad, width, 0) == width);
      CHECK(kernels.sparse_state_width(SparseRule::rowwise_adagrad, width, 0) == 1);
      CHECK(kernels.sparse_state_width(SparseRule::lazy_adam, width, 0) == 2 * width);
      CHECK(kernels.sparse_state_width(SparseRule::ftrl, width, 0) == 2 * width);
      CHECK(kernels.sparse_state_width(SparseRule::adam_dense, width, 0) == 2 * width);
    }
  });
}

TEST_CASE("updates give the same bits for any number of threads", "[kernels][optimizer]") {
  check_same_bits([&](const KernelTable& kernels) {
    Bits bits;
    for (const DenseRule rule : kDenseRules) {
      Dense dense(rule, 0.9F, {20000, 7, 4097});
      for (std::int64_t step = 1; step <= 3; ++step) dense.step(kernels, settings(0.1F, 0.1F, 0.9F, 0.7F, step), false);
      for (const auto* matrices : {&dense.weights, &dense.state1, &dense.state2})
        for (const Matrix& matrix : *matrices) bits.add(matrix);
    }
    for (const SparseRule rule : kSparseRules) {
      Sparse sparse(kernels, rule, 0.9F, 2000, 9);
      for (std::int64_t step = 1; step <= 3; ++step) sparse.step(settings(0.1F, 0.1F, 0.9F, 0.7F, step), 0.5F, false);
      bits.add(sparse.rows);
    }
    return bits;
  });
}

const CoversManyRows kManyRows(kCovers);
TEST_CASE("updates of many weights and of many rows", "[kernels][optimizer]") {
  for_each_device_of_many_rows(kCovers, [](const KernelTable& kernels, std::int64_t rows) {
    for (const DenseRule rule : kDenseRules) {
      Dense dense(rule, 0.9F, {rows, 3 * rows});
      dense.step(kernels, settings(0.05F, 0.1F, 0.9F, 0.7F, 1));
      dense.check();
    }
    for (const SparseRule rule : kSparseRules) {
      INFO("rule " << static_cast<int>(rule));
      Sparse sparse(kernels, rule, 0.9F, rows, 5);
      for (std::int64_t step = 1; step <= 2; ++step) sparse.step(settings(0.05F, 0.1F, 0.9F, 0.7F, step), 0.5F);
      sparse.check();
    }
  });
}

}  // namespace mal::test::optimizer

#include "tests/kernels/kernel_test.h"

namespace mal::test::attention {

using kernels::DinShape;

const Covers kCovers(&KernelTable::din_forward, &KernelTable::din_backward, &KernelTable::din_backward_workspace,
                     &KernelTable::din_kept);

// rows, length, width, hidden
constexpr DinShape kShapes[] = {{0, 3, 2, 2, false},
                                {1, 1, 1, 1, false},
                                {7, 7, 5, 3, false},
                                {31, 5, 1, 8, false},
                                {33, 1, 16, 7, false},
                                {129, 4, 3, 9, false},
                                {4, 33, 7, 31, false},
                                {2, 129, 4, 5, false},
                                // around the CPU's tiles of rows and columns, and its groups of samples and of bits
                                {18, 20, 16, 36, false},
                                {20, 13, 17, 16, false},
                                {5, 6, 32, 48, false},
                                {5, 7, 15, 65, false},
                                {3, 10, 33, 80, false},
                                {2, 25, 16, 100, false}};

// DIN as the paper has it, on the concatenation, in float64.
struct Din {
  std::int64_t rows, length, width, hidden;
  bool softmax;
  std::vector<double> w1, b1, alpha, w2, b2, sequence, target;
  Vector<std::int32_t> lengths;

  static std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }
  double e(std::int64_t r, std::int64_t j, std::int64_t i) const { return sequence[at((r * length + j) * width + i)]; }
  double t(std::int64_t r, std::int64_t i) const { return target[at(r * width + i)]; }

  // [e; t; e − t; e ⊙ t]
  std::vector<double> input(std::int64_t r, std::int64_t j) const {
    std::vector<double> z;
    for (std::int64_t i = 0; i < width; ++i) z.push_back(e(r, j, i));
    for (std::int64_t i = 0; i < width; ++i) z.push_back(t(r, i));
    for (std::int64_t i = 0; i < width; ++i) z.push_back(e(r, j, i) - t(r, i));
    for (std::int64_t i = 0; i < width; ++i) z.push_back(e(r, j, i) * t(r, i));
    return z;
  }
  double pre_activation(const std::vector<double>& z, std::int64_t k) const {
    double sum = b1[at(k)];
    for (std::int64_t i = 0; i < 4 * width; ++i) sum += z[at(i)] * w1[at(i * hidden + k)];
    return sum;
  }
  double raw_score(std::int64_t r, std::int64_t j) const {
    const auto z = input(r, j);
    double sum = b2[0];
    for (std::int64_t k = 0; k < hidden; ++k) {
      const double h = pre_activation(z, k);
      sum += w2[at(k)] * (h > 0 ? h : alpha[at(k)] * h);
    }
    return sum;
  }
  // [B, L], 0 beyond the length
  std::vector<double> scores() const {
    std::vector<double> result(at(rows * length));
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::int64_t first = r * length, last = first + lengths[at(r)];
      for (std::int64_t p = first; p < last; ++p) result[at(p)] = raw_score(r, p - first);
      if (!softmax) continue;
      double top = -std::numeric_limits<double>::infinity(), sum = 0;
      for (std::int64_t p = first; p < last; ++p) top = std::max(top, result[at(p)]);
      for (std::int64_t p = first; p < last; ++p) sum += std::exp(result[at(p)] - top);
      for (std::int64_t p = first; p < last; ++p) result[at(p)] = std::exp(result[at(p)] - top) / sum;
    }
    return result;
  }
  std::vector<double> out() const {
    const auto s = scores();
    std::vector<double> result(at(rows * width));
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t j = 0; j < lengths[at(r)]; ++j)
        for (std::int64_t i = 0; i < width; ++i) result[at(r * width + i)] += s[at(r * length + j)] * e(r, j, i);
    return result;
  }
};

struct DinGradient {
  std::vector<double> w1, b1, alpha, w2, b2, sequence, target;
};

// The chain rule, one position and one number after the other.
DinGradient slow_backward(const Din& d, const std::vector<double>& dout) {
  const auto zeros = [](const std::vector<double>& like) { return std::vector<double>(like.size()); };
  DinGradient g{zeros(d.w1), zeros(d.b1), zeros(d.alpha), zeros(d.w2), zeros(d.b2), zeros(d.sequence), zeros(d.target)};
  const auto at = Din::at;
  const auto scores = d.scores();
  for (std::int64_t r = 0; r < d.rows; ++r) {
    const std::int64_t valid = d.lengths[at(r)];
    std::vector<double> dscore(at(valid)), draw(at(valid));
    for (std::int64_t j = 0; j < valid; ++j)
      for (std::int64_t i = 0; i < d.width; ++i) dscore[at(j)] += dout[at(r * d.width + i)] * d.e(r, j, i);
    for (std::int64_t j = 0; j < valid; ++j) {
      if (!d.softmax) draw[at(j)] = dscore[at(j)];
      for (std::int64_t m = 0; d.softmax && m < valid; ++m)
        draw[at(j)] +=
            dscore[at(m)] * scores[at(r * d.length + m)] * ((j == m ? 1.0 : 0.0) - scores[at(r * d.length + j)]);
    }
    for (std::int64_t j = 0; j < valid; ++j) {
      const auto z = d.input(r, j);
      std::vector<double> dz(z.size());
      g.b2[0] += draw[at(j)];
      for (std::int64_t k = 0; k < d.hidden; ++k) {
        const double h = d.pre_activation(z, k);
        g.w2[at(k)] += draw[at(j)] * (h > 0 ? h : d.alpha[at(k)] * h);
        if (h <= 0) g.alpha[at(k)] += draw[at(j)] * d.w2[at(k)] * h;
        const double dh = draw[at(j)] * d.w2[at(k)] * (h > 0 ? 1 : d.alpha[at(k)]);
        g.b1[at(k)] += dh;
        for (std::int64_t i = 0; i < 4 * d.width; ++i) {
          g.w1[at(i * d.hidden + k)] += z[at(i)] * dh;
          dz[at(i)] += d.w1[at(i * d.hidden + k)] * dh;
        }
      }
      for (std::int64_t i = 0; i < d.width; ++i) {
        const double de = dz[at(i)], dt = dz[at(d.width + i)], minus = dz[at(2 * d.width + i)],
                     times = dz[at(3 * d.width + i)];
        g.sequence[at((r * d.length + j) * d.width + i)] +=
            de + minus + times * d.t(r, i) + scores[at(r * d.length + j)] * dout[at(r * d.width + i)];
        g.target[at(r * d.width + i)] += dt - minus + times * d.e(r, j, i);
      }
    }
  }
  return g;
}

struct Case {
  Case(const DinShape& shape, std::int64_t gap)
      : s(shape),
        draw(41),
        w1(draw, 4 * s.width, s.hidden),
        b1(draw, 1, s.hidden),
        alpha(draw, 1, s.hidden, 0, -0.2F, 0.6F),
        w2(draw, 1, s.hidden),
        b2(draw, 1, 1),
        sequence(s.rows, s.length * s.width, gap),
        target(draw, s.rows, s.width, 2 * gap),
        out(s.rows, s.width, gap / 2),
        scores(s.rows, s.length),
        dout(draw, s.rows, s.width, gap),
        dsequence(s.rows, s.length * s.width, gap + 1),
        dtarget(s.rows, s.width, gap),
        dw1(4 * s.width, s.hidden),
        db1(1, s.hidden),
        dalpha(1, s.hidden),
        dw2(1, s.hidden),
        db2(1, 1) {
    // Full, empty, between; what lies beyond a row's length stays NaN.
    for (std::int64_t r = 0; r < s.rows; ++r) {
      const std::int32_t valid = r % 3 == 0   ? static_cast<std::int32_t>(s.length)
                                 : r % 3 == 1 ? 0
                                              : draw.below(s.length + 1);
      lengths.push_back(valid);
      for (std::int64_t i = 0; i < valid * s.width; ++i) sequence.at(r, i) = draw.uniform();
    }
  }

  void forward(const KernelTable& kernels, bool keep = true) {
    keeps = keep && kernels.din_kept(s) > 0;
    kept = Matrix(1, keeps ? s.rows * kernels.din_kept(s) : 1);
    const kernels::DinForward call = forward_call();
    kernels.din_forward(s, &call, 1);
  }
  void backward(const KernelTable& kernels, bool accumulate_sequence, bool accumulate_target, bool want_target = true) {
    Matrix workspace(1, kernels.din_backward_workspace(s, 1));
    const kernels::DinBackward call = backward_call(accumulate_sequence, accumulate_target, want_target);
    kernels.din_backward(s, &call, 1, workspace.data());
  }
  kernels::DinInput input_of_call() {
    return {parameters(), sequence.data(), sequence.stride(), target.data(), target.stride(), lengths.data()};
  }
  kernels::DinForward forward_call() { return {input_of_call(), out.data(), out.stride(), scores.data(), kept_data()}; }
  float* kept_data() { return keeps ? kept.data() : nullptr; }
  kernels::DinBackward backward_call(bool accumulate_sequence, bool accumulate_target, bool want_target = true) {
    return {input_of_call(),
            scores.data(),
            dout.data(),
            dout.stride(),
            dsequence.data(),
            dsequence.stride(),
            accumulate_sequence,
            want_target ? dtarget.data() : nullptr,
            dtarget.stride(),
            accumulate_target,
            {dw1.data(), db1.data(), dalpha.data(), dw2.data(), db2.data()},
            kept_data()};
  }
  kernels::DinParameters parameters() const { return {w1.data(), b1.data(), alpha.data(), w2.data(), b2.data()}; }
  Din din() const {
    return {s.rows,       s.length,  s.width,   s.hidden,        s.softmax,     w1.wide(), b1.wide(),
            alpha.wide(), w2.wide(), b2.wide(), sequence.wide(), target.wide(), lengths};
  }
  void check_gradients(const DinGradient& want, double tolerance) const {
    CHECK(mismatch(dw1, want.w1, tolerance) == "");
    CHECK(mismatch(db1, want.b1, tolerance) == "");
    CHECK(mismatch(dalpha, want.alpha, tolerance) == "");
    CHECK(mismatch(dw2, want.w2, tolerance) == "");
    CHECK(mismatch(db2, want.b2, tolerance) == "");
  }
  Bits gradient_bits() const { return Bits().add(dw1).add(db1).add(dalpha).add(dw2).add(db2).add(dsequence); }

  DinShape s;
  Draw draw;
  Matrix w1, b1, alpha, w2, b2, sequence, target, out, scores, dout, dsequence, dtarget, dw1, db1, dalpha, dw2, db2;
  Matrix kept{1, 1};
  bool keeps = false;  // backward may use it
  Vector<std::int32_t> lengths;
};

template <typename Body>
void for_each_case(const Body& body) {
  for_each_device([&](const KernelTable& kernels) {
    for (DinShape s : kShapes)
      for (const std::int64_t gap : {0, 3})
        for (const bool softmax : {false, true}) {
          INFO("rows " << s.rows << ", length " << s.length << ", width " << s.width << ", hidden " << s.hidden
                       << ", gap " << gap << (softmax ? ", softmax" : ""));
          s.softmax = softmax;
          Case c(s, gap);
          c.forward(kernels);
          body(kernels, c);
        }
  });
}

TEST_CASE("din_forward: scores and the weighted sum of the sequence", "[kernels][attention]") {
  for_each_case([](const KernelTable&, Case& c) {
    const Din din = c.din();
    CHECK(mismatch(c.scores, din.scores(), 5e-6) == "");
    CHECK(mismatch(c.out, din.out(), 1e-5) == "");
  });
}

TEST_CASE("din_backward: gradients of the sequence, the target and the parameters", "[kernels][attention]") {
  for_each_case([](const KernelTable& kernels, Case& c) {
    const DinGradient want = slow_backward(c.din(), c.dout.wide());
    c.backward(kernels, false, false);
    c.check_gradients(want, 2e-5);
    CHECK(mismatch(c.dsequence, want.sequence, 2e-5) == "");
    CHECK(mismatch(c.dtarget, want.target, 2e-5) == "");
  });
}

TEST_CASE("din_backward adds to each gradient of an input when told", "[kernels][attention]") {
  for_each_case([](const KernelTable& kernels, Case& c) {
    const DinGradient want = slow_backward(c.din(), c.dout.wide());
    for (const bool to_sequence : {true, false}) {
      c.dsequence = Matrix(c.draw, c.s.rows, c.s.length * c.s.width, 2);
      c.dtarget = Matrix(c.draw, c.s.rows, c.s.width, 3);
      const auto sequence = c.dsequence.wide(), target = c.dtarget.wide();
      c.backward(kernels, to_sequence, !to_sequence);
      c.check_gradients(want, 2e-5);
      CHECK(mismatch(c.dsequence, to_sequence ? plus(want.sequence, sequence) : want.sequence, 2e-5) == "");
      CHECK(mismatch(c.dtarget, to_sequence ? want.target : plus(want.target, target), 2e-5) == "");
    }
  });
}

TEST_CASE("din_backward without the target's gradient gives the same others", "[kernels][attention]") {
  for_each_case([](const KernelTable& kernels, Case& c) {
    Case other = c;
    c.backward(kernels, false, false);
    other.backward(kernels, false, false, false);
    CHECK(bool(c.gradient_bits() == other.gradient_bits()));
  });
}

TEST_CASE("din_backward gives the same bits with what forward kept and without", "[kernels][attention]") {
  for_each_case([](const KernelTable& kernels, Case& c) {
    Case other = c;
    other.forward(kernels, false);
    CHECK(bool(Bits().add(c.out).add(c.scores) == Bits().add(other.out).add(other.scores)));
    c.backward(kernels, false, false);
    other.backward(kernels, false, false);
    CHECK(bool(c.gradient_bits().add(c.dtarget) == other.gradient_bits().add(other.dtarget)));
  });
}

TEST_CASE("din_backward against central differences", "[kernels][attention]") {
  for_each_device([](const KernelTable& kernels) {
    for (const bool softmax : {false, true}) {
      Case c({5, 4, 3, 6, softmax}, 1);
      for (std::int64_t r = 0; r < 5; ++r)
        for (std::int64_t i = c.lengths[Din::at(r)] * 3; i < 12; ++i) c.sequence.at(r, i) = 0.5F;
      c.forward(kernels);
      c.backward(kernels, false, false);
      Din din = c.din();
      const auto dout = c.dout.wide();
      const auto loss = [&] { return dot(din.out(), dout); };
      CHECK(mismatch(c.dw1, central_differences(din.w1, loss), 1e-5) == "");
      CHECK(mismatch(c.db1, central_differences(din.b1, loss), 1e-5) == "");
      CHECK(mismatch(c.dalpha, central_differences(din.alpha, loss), 1e-5) == "");
      CHECK(mismatch(c.dw2, central_differences(din.w2, loss), 1e-5) == "");
      CHECK(mismatch(c.db2, central_differences(din.b2, loss), 1e-5) == "");
      CHECK(mismatch(c.dsequence, central_differences(din.sequence, loss), 1e-5) == "");
      CHECK(mismatch(c.dtarget, central_differences(din.target, loss), 1e-5) == "");
    }
  });
}

TEST_CASE("din of several sequences is each by itself, and two may share a target's gradient", "[kernels][attention]") {
  for_each_device([](const KernelTable& kernels) {
    for (const DinShape& shape :
         {DinShape{33, 5, 4, 7, true}, DinShape{2, 3, 160, 192, false}, DinShape{0, 3, 2, 2, true}}) {
      INFO("width " << shape.width);
      const std::size_t count = shape.width > 100 ? 5 : 30;  // 30 are more than one launch's parameters hold
      std::vector<Case> alone(count, Case(shape, 2));
      for (std::size_t i = 0; i < count; ++i)
        for (std::int64_t k = 0; k < shape.hidden; ++k)
          alone[i].w2.at(0, k) = alone[i].draw.uniform() / 8 + 1e-3F * static_cast<float>(i);
      std::vector<Case> together = alone;
      std::vector<kernels::DinForward> forward;
      std::vector<kernels::DinBackward> backward;
      for (std::size_t i = 0; i < count; ++i) {
        alone[i].forward(kernels);
        forward.push_back(together[i].forward_call());
        // The fourth, the fifth and the last add to the first one's.
        const bool shared = i == 3 || i == 4 || i + 1 == count;
        if (shared) alone[i].dtarget = alone[0].dtarget;
        alone[i].backward(kernels, false, shared);
        if (shared) alone[0].dtarget = alone[i].dtarget;
        backward.push_back(together[i].backward_call(false, shared));
        if (shared) backward[i].dtarget = backward[0].dtarget;
      }
      kernels.din_forward(shape, forward.data(), static_cast<std::int32_t>(count));
      Matrix workspace(1, kernels.din_backward_workspace(shape, static_cast<std::int32_t>(count)));
      kernels.din_backward(shape, backward.data(), static_cast<std::int32_t>(count), workspace.data());
      for (std::size_t i = 0; i < count; ++i) {
        INFO("sequence " << i);
        const auto bits = [](const Case& c) { return c.gradient_bits().add(c.out).add(c.scores); };
        CHECK(bool(bits(together[i]) == bits(alone[i])));
        if (i != 3 && i != 4 && i + 1 != count)
          CHECK(bool(Bits().add(together[i].dtarget) == Bits().add(alone[i].dtarget)));
      }
    }
    kernels.din_forward({3, 2, 2, 2, true}, nullptr, 0);
    kernels.din_backward({3, 2, 2, 2, true}, nullptr, 0, nullptr);
  });
}

TEST_CASE("din of a hidden layer too large for a block's memory, and of a wide one", "[kernels][attention]") {
  for_each_device([](const KernelTable& kernels) {
    for (const bool softmax : {false, true})
      for (const DinShape& shape : {DinShape{5, 3, 160, 192, softmax}, DinShape{7, 40, 36, 40, softmax}}) {
        INFO("width " << shape.width << (softmax ? ", softmax" : ""));
        Case c(shape, 0);
        for (std::int64_t i = 0; i < 4 * shape.width * shape.hidden; ++i) c.w1.data()[i] *= 0.1F;
        for (std::int64_t i = 0; i < shape.hidden; ++i) c.w2.data()[i] *= 0.1F;
        c.forward(kernels);
        CHECK(mismatch(c.scores, c.din().scores(), 5e-6) == "");
        CHECK(mismatch(c.out, c.din().out(), 2e-5) == "");
        const DinGradient want = slow_backward(c.din(), c.dout.wide());
        c.backward(kernels, false, false);
        c.check_gradients(want, 5e-5);
        CHECK(mismatch(c.dsequence, want.sequence, 2e-5) == "");
        CHECK(mismatch(c.dtarget, want.target, 2e-5) == "");
        const Bits parameters = Bits().add(c.dw1).add(c.dalpha).add(c.db2);
        c.backward(kernels, true, true);
        CHECK(mismatch(c.dsequence, plus(want.sequence, want.sequence), 4e-5) == "");
        CHECK(mismatch(c.dtarget, plus(want.target, want.target), 4e-5) == "");
        CHECK(bool(parameters == Bits().add(c.dw1).add(c.dalpha).add(c.db2)));
      }
  });
}

// Width 1, one hidden unit, h = e: the raw score is e above zero and e / 2 below it.
Case scores_as_given(const std::vector<float>& scores) {
  Case c({1, static_cast<std::int64_t>(scores.size()), 1, 1, true}, 0);
  c.w1.fill(0);
  c.w1.at(0, 0) = 1;
  c.b1.fill(0);
  c.b2.fill(0);
  c.alpha.fill(0.5F);
  c.w2.fill(1);
  std::ranges::copy(scores, c.sequence.data());
  return c;
}

TEST_CASE("din's softmax of extreme scores", "[kernels][attention]") {
  for_each_device([](const KernelTable& kernels) {
    for (const auto& scores : std::vector<std::vector<float>>{{1e4F, 9999.5F, 0, -1e4F},
                                                              {-1e4F, -1e4F - 1},
                                                              {100, -100, 99},
                                                              {1e30F, -1e30F, 1e30F},
                                                              {-1e30F},
                                                              std::vector<float>(33, 5e3F)}) {
      Case c = scores_as_given(scores);
      c.forward(kernels);
      CHECK(mismatch(c.scores, c.din().scores(), 1e-6) == "");
      CHECK(mismatch(c.out, c.din().out(), 1e-6) == "");
      c.backward(kernels, false, false);
      for (std::int64_t i = 0; i < c.s.length; ++i) CHECK(std::isfinite(c.dsequence.at(0, i)));
    }
  });
}

TEST_CASE("din of a spoilt number is spoilt", "[kernels][attention]") {
  const auto spoilt = [](const Matrix& m) {
    return std::ranges::any_of(m.wide(), [](double v) { return std::isnan(v); });
  };
  for_each_device([&](const KernelTable& kernels) {
    for (const bool softmax : {false, true})
      for (Matrix Case::*const member : {&Case::w1, &Case::b1, &Case::alpha, &Case::w2, &Case::b2, &Case::target}) {
        Case c({9, 5, 7, 6, softmax}, 0);
        (c.*member).data()[(c.*member).width() - 1] = std::numeric_limits<float>::quiet_NaN();
        c.forward(kernels);
        CHECK(spoilt(c.out));
        c.backward(kernels, false, false);
        CHECK(spoilt(c.dsequence));
      }
  });
}

TEST_CASE("din gives the same bits for any number of threads", "[kernels][attention]") {
  for (const bool softmax : {false, true})
    check_same_bits([&](const KernelTable& kernels) {
      Case c({1025, 5, 7, 9, softmax}, 1);
      c.forward(kernels);
      c.backward(kernels, false, false);
      return c.gradient_bits().add(c.out).add(c.scores).add(c.dtarget);
    });
}

const CoversManyRows kManyRows(kCovers);
TEST_CASE("din of many rows", "[kernels][attention]") {
  for_each_device_of_many_rows(kCovers, [](const KernelTable& kernels, std::int64_t rows) {
    Case c({rows, 3, 4, 5, true}, 0);
    c.forward(kernels);
    const Din din = c.din();
    CHECK(mismatch(c.scores, din.scores(), 5e-6) == "");
    CHECK(mismatch(c.out, din.out(), 1e-5) == "");
    const DinGradient want = slow_backward(din, c.dout.wide());
    c.backward(kernels, false, false);
    c.check_gradients(want, many_rows_tolerance(rows));
    CHECK(mismatch(c.dsequence, want.sequence, 2e-5) == "");
    CHECK(mismatch(c.dtarget, want.target, 2e-5) == "");
  });
}

}  // namespace mal::test::attention

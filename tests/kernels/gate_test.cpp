#include "tests/kernels/kernel_test.h"

namespace mal::test::gate {

using kernels::Gate;
using kernels::GateKind;
using kernels::Mixture;
using kernels::MixtureGradient;
using kernels::MixtureInput;
using kernels::MixtureOutput;

const Covers kCovers(&KernelTable::mixture_forward, &KernelTable::mixture_backward,
                     &KernelTable::mixture_backward_workspace);

struct GateShape {
  GateKind kind;
  std::int32_t output;
  std::vector<std::int32_t> experts;
};
struct Layout {
  std::string name;
  std::int32_t experts, outputs;
  std::vector<GateShape> gates;
};
const std::vector<Layout> kLayouts = {
    {"one expert", 1, 1, {{GateKind::softmax, 0, {0}}}},
    {"every task mixes all",
     4,
     3,
     {{GateKind::softmax, 0, {0, 1, 2, 3}},
      {GateKind::softmax, 1, {0, 1, 2, 3}},
      {GateKind::softmax, 2, {0, 1, 2, 3}}}},
    {"own and shared, in any order", 5, 2, {{GateKind::softmax, 1, {4, 1, 3}}, {GateKind::softmax, 0, {0, 4}}}},
    {"two gates an output",
     4,
     2,
     {{GateKind::softmax, 0, {0, 1, 2}},
      {GateKind::sigmoid, 0, {0}},
      {GateKind::constant, 1, {2, 3}},
      {GateKind::softmax, 1, {0, 3}},
      {GateKind::sigmoid, 1, {1, 2}}}},
    {"forty weights",
     10,
     4,
     {{GateKind::softmax, 0, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
      {GateKind::sigmoid, 1, {9, 8, 7, 6, 5, 4, 3, 2, 1, 0}},
      {GateKind::constant, 2, {0, 2, 4, 6, 8, 1, 3, 5, 7, 9}},
      {GateKind::softmax, 3, {5, 6, 7, 8, 9, 0, 1, 2, 3, 4}}}},
    {"an expert and an output of no gate", 3, 2, {{GateKind::constant, 1, {2, 0}}}},
};
struct Shape {
  std::int64_t rows, width;
};
constexpr Shape kShapes[] = {{0, 3}, {1, 1}, {7, 31}, {128, 5}, {129, 33}, {1025, 2}, {3, 1025}, {9, 264}};

std::size_t at(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

// The slow obvious way, in float64.
struct Reference {
  const Layout& layout;
  std::int64_t rows, width;
  std::vector<std::vector<double>> experts, logits;  // one an expert, one a gate

  std::vector<double> weights_of(std::size_t g, std::int64_t row) const {
    const std::size_t count = layout.gates[g].experts.size();
    const GateKind kind = layout.gates[g].kind;
    std::vector<double> w(count);
    double sum = 0;
    for (std::size_t k = 0; k < count; ++k) {
      const double x = logits[g][kind == GateKind::constant ? k : at(row) * count + k];
      w[k] = kind == GateKind::constant ? x : kind == GateKind::sigmoid ? 1 / (1 + std::exp(-x)) : std::exp(x);
      sum += w[k];
    }
    if (kind == GateKind::softmax)
      for (double& value : w) value /= sum;
    return w;
  }
  std::vector<std::vector<double>> forward() const {
    std::vector<std::vector<double>> y(at(layout.outputs), std::vector<double>(at(rows * width)));
    for (std::size_t g = 0; g < layout.gates.size(); ++g)
      for (std::int64_t r = 0; r < rows; ++r) {
        const auto w = weights_of(g, r);
        for (std::size_t k = 0; k < w.size(); ++k)
          for (std::int64_t c = 0; c < width; ++c)
            y[at(layout.gates[g].output)][at(r * width + c)] +=
                w[k] * experts[at(layout.gates[g].experts[k])][at(r * width + c)];
      }
    return y;
  }
};

struct Case {
  Case(const Layout& l, const Shape& s, std::int64_t gap, std::uint64_t seed) : layout(l), shape(s), draw(seed) {
    for (std::int32_t e = 0; e < layout.experts; ++e) {
      experts.emplace_back(draw, s.rows, s.width, gap);
      dexperts.emplace_back(s.rows, s.width, 2 * gap);
    }
    std::int64_t total = 0;
    for (const GateShape& gate : layout.gates) {
      const auto count = static_cast<std::int64_t>(gate.experts.size());
      const bool constant = gate.kind == GateKind::constant;
      logits.emplace_back(draw, constant ? 1 : s.rows, count, constant ? 0 : gap, -2.0F, 2.0F);
      dlogits.emplace_back(constant ? 1 : s.rows, count, constant ? 0 : 2 * gap);
      total += count;
    }
    for (std::int32_t o = 0; o < layout.outputs; ++o) {
      y.emplace_back(s.rows, s.width, 3 * gap);
      dy.emplace_back(draw, s.rows, s.width, gap);
    }
    weights = Matrix(s.rows, total, gap);
  }

  Mixture mixture() {
    gates.clear();
    for (std::size_t g = 0; g < layout.gates.size(); ++g) {
      const GateShape& gate = layout.gates[g];
      gates.push_back({gate.kind, gate.output, static_cast<std::int32_t>(gate.experts.size()), gate.experts.data(),
                       logits[g].data(), logits[g].stride()});
    }
    return {gates.data(), static_cast<std::int32_t>(gates.size()), layout.experts, layout.outputs, shape.rows,
            shape.width};
  }
  static std::vector<MixtureInput> inputs(const std::vector<Matrix>& matrices) {
    std::vector<MixtureInput> result;
    for (const Matrix& m : matrices) result.push_back({m.data(), m.stride()});
    return result;
  }
  void forward(const KernelTable& kernels) {
    std::vector<MixtureOutput> outputs;
    for (Matrix& m : y) outputs.push_back({m.data(), m.stride()});
    kernels.mixture_forward(mixture(), inputs(experts).data(), outputs.data(), weights.data(), weights.stride());
  }
  void backward(const KernelTable& kernels, bool accumulate, bool wanted = true) {
    std::vector<MixtureGradient> to_experts, to_logits;
    for (Matrix& m : dexperts) to_experts.push_back({wanted ? m.data() : nullptr, m.stride(), accumulate});
    for (std::size_t g = 0; g < dlogits.size(); ++g) {
      const bool constant = layout.gates[g].kind == GateKind::constant;
      to_logits.push_back({wanted || constant ? dlogits[g].data() : nullptr, dlogits[g].stride(), accumulate});
    }
    const Mixture m = mixture();
    Matrix workspace(1, kernels.mixture_backward_workspace(m));
    kernels.mixture_backward(m, inputs(experts).data(), weights.data(), weights.stride(), inputs(dy).data(),
                             to_experts.data(), to_logits.data(), workspace.data());
  }
  Reference reference() const {
    Reference reference{layout, shape.rows, shape.width, {}, {}};
    for (const Matrix& m : experts) reference.experts.push_back(m.wide());
    for (const Matrix& m : logits) reference.logits.push_back(m.wide());
    return reference;
  }

  const Layout& layout;
  Shape shape;
  Draw draw;
  std::vector<Matrix> experts, dexperts, logits, dlogits, y, dy;
  Matrix weights{0, 0};
  std::vector<Gate> gates;
};

// The gradients of Σ y dy, by the slow way: first of the weights, then of what is under them.
struct Gradients {
  explicit Gradients(const Case& c) {
    const Reference reference = c.reference();
    const std::int64_t rows = c.shape.rows, width = c.shape.width;
    experts.assign(c.experts.size(), std::vector<double>(at(rows * width)));
    for (std::size_t g = 0; g < c.layout.gates.size(); ++g) {
      const GateShape& gate = c.layout.gates[g];
      const std::size_t count = gate.experts.size();
      const auto dy = c.dy[at(gate.output)].wide();
      std::vector<double>& dlogits = logits.emplace_back(reference.logits[g].size());
      for (std::int64_t r = 0; r < rows; ++r) {
        const auto w = reference.weights_of(g, r);
        std::vector<double> dw(count);
        for (std::size_t k = 0; k < count; ++k)
          for (std::int64_t i = r * width; i < (r + 1) * width; ++i) {
            dw[k] += dy[at(i)] * reference.experts[at(gate.experts[k])][at(i)];
            experts[at(gate.experts[k])][at(i)] += dy[at(i)] * w[k];
          }
        for (std::size_t k = 0; k < count; ++k) {
          double mean = 0;
          for (std::size_t j = 0; j < count; ++j) mean += w[j] * dw[j];
          if (gate.kind == GateKind::constant) dlogits[k] += dw[k];
          if (gate.kind == GateKind::softmax) dlogits[at(r) * count + k] = w[k] * (dw[k] - mean);
          if (gate.kind == GateKind::sigmoid) dlogits[at(r) * count + k] = w[k] * (1 - w[k]) * dw[k];
        }
      }
    }
  }
  std::vector<std::vector<double>> experts, logits;
};

template <typename Body>
void for_each_case(const Body& body) {
  for_each_device([&](const KernelTable& kernels) {
    for (const Layout& layout : kLayouts)
      for (const Shape& s : kShapes)
        for (const std::int64_t gap : {0, 3}) {
          INFO(layout.name << ", " << s.rows << " x " << s.width << ", gap " << gap);
          Case c(layout, s, gap, 21);
          body(kernels, c);
        }
  });
}

void check_gradients(const Case& c, const Gradients& want) {
  // A constant gate's is a sum over rows, those of a row are sums over columns.
  const double by_row = 4e-6 + 2e-8 * static_cast<double>(c.shape.width),
               by_gate = by_row + many_rows_tolerance(c.shape.rows);
  for (std::size_t e = 0; e < want.experts.size(); ++e) {
    INFO("expert " << e);
    CHECK(mismatch(c.dexperts[e], want.experts[e], 2e-6) == "");
  }
  for (std::size_t g = 0; g < want.logits.size(); ++g) {
    INFO("gate " << g);
    CHECK(mismatch(c.dlogits[g], want.logits[g], c.layout.gates[g].kind == GateKind::constant ? by_gate : by_row) ==
          "");
  }
}

TEST_CASE("mixture_forward is the gates' weighted sum of experts", "[kernels][gate]") {
  for_each_case([](const KernelTable& kernels, Case& c) {
    c.forward(kernels);
    const auto want = c.reference().forward();
    for (std::size_t o = 0; o < want.size(); ++o) CHECK(mismatch(c.y[o], want[o], 2e-6) == "");
  });
}

TEST_CASE("mixture_backward: gradients of experts and gates", "[kernels][gate]") {
  for_each_case([](const KernelTable& kernels, Case& c) {
    c.forward(kernels);
    c.backward(kernels, false);
    check_gradients(c, Gradients(c));
  });
}

TEST_CASE("mixture_backward adds when told, but never to a constant gate", "[kernels][gate]") {
  for_each_case([](const KernelTable& kernels, Case& c) {
    Gradients want(c);
    c.forward(kernels);
    for (std::size_t e = 0; e < c.dexperts.size(); ++e) {
      c.dexperts[e] = Matrix(c.draw, c.shape.rows, c.shape.width, 2);
      want.experts[e] = plus(want.experts[e], c.dexperts[e].wide());
    }
    for (std::size_t g = 0; g < c.dlogits.size(); ++g) {
      if (c.layout.gates[g].kind == GateKind::constant) continue;
      c.dlogits[g] = Matrix(c.draw, c.shape.rows, c.dlogits[g].width(), 1);
      want.logits[g] = plus(want.logits[g], c.dlogits[g].wide());
    }
    c.backward(kernels, true);
    check_gradients(c, want);
  });
}

TEST_CASE("mixture_backward writes no gradient that nobody wants", "[kernels][gate]") {
  for_each_device([](const KernelTable& kernels) {
    Case c(kLayouts[3], {130, 5}, 0, 22);
    c.forward(kernels);
    c.backward(kernels, false, false);
    CHECK(mismatch(c.dlogits[2], Gradients(c).logits[2], 1e-5) == "");
    for (const Matrix& m : c.dexperts) CHECK(bool(Bits().add(m) == Bits().add(Matrix(130, 5))));
  });
}

TEST_CASE("mixture against central differences", "[kernels][gate]") {
  for_each_device([](const KernelTable& kernels) {
    for (const Layout& layout : kLayouts) {
      INFO(layout.name);
      Case c(layout, {5, 3}, 1, 23);
      c.forward(kernels);
      c.backward(kernels, false);
      Reference reference = c.reference();
      const auto loss = [&] {
        const auto y = reference.forward();
        double sum = 0;
        for (std::size_t o = 0; o < y.size(); ++o) sum += dot(y[o], c.dy[o].wide());
        return sum;
      };
      for (std::size_t e = 0; e < c.dexperts.size(); ++e)
        CHECK(mismatch(c.dexperts[e], central_differences(reference.experts[e], loss), 2e-6) == "");
      for (std::size_t g = 0; g < c.dlogits.size(); ++g)
        CHECK(mismatch(c.dlogits[g], central_differences(reference.logits[g], loss), 2e-6) == "");
    }
  });
}

TEST_CASE("gates of extreme logits are one-hot, and NaN is not hidden", "[kernels][gate]") {
  for_each_device([](const KernelTable& kernels) {
    Case c(kLayouts[3], {2, 4}, 0, 24);
    c.logits[0].fill(-80);
    c.logits[0].at(0, 1) = 3e38F;
    c.logits[1].fill(-200);
    c.logits[4].fill(200);
    c.forward(kernels);
    c.backward(kernels, false);
    for (std::int64_t i = 0; i < 4; ++i) CHECK(c.y[0].at(0, i) == c.experts[1].at(0, i));
    for (const Matrix& m : c.dlogits)
      for (const float value : m.storage()) CHECK(std::isfinite(value));
    CHECK(c.weights.at(0, c.weights.width() - 1) == 1);
    c.logits[0].at(1, 2) = std::numeric_limits<float>::quiet_NaN();
    c.forward(kernels);
    CHECK(std::isnan(c.y[0].at(1, 0)));
    CHECK(std::isfinite(c.y[0].at(0, 0)));
  });
}

TEST_CASE("mixture gives the same bits for any number of threads", "[kernels][gate]") {
  check_same_bits([&](const KernelTable& kernels) {
    Case c(kLayouts[3], {1025, 33}, 1, 25);
    c.forward(kernels);
    c.backward(kernels, false);
    Bits bits;
    for (const auto* matrices : {&c.y, &c.dexperts, &c.dlogits})
      for (const Matrix& m : *matrices) bits.add(m);
    return bits;
  });
}

const CoversManyRows kManyRows(kCovers);
TEST_CASE("mixture of many rows", "[kernels][gate]") {
  for_each_device_of_many_rows(kCovers, [](const KernelTable& kernels, std::int64_t rows) {
    Case c(kLayouts[3], {rows, 5}, 0, 26);
    c.forward(kernels);
    const auto y = c.reference().forward();
    for (std::size_t o = 0; o < y.size(); ++o) CHECK(mismatch(c.y[o], y[o], 2e-6) == "");
    c.backward(kernels, false);
    check_gradients(c, Gradients(c));
  });
}

}  // namespace mal::test::gate

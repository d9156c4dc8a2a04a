// Chains of layers and additions against the same in float64: towers side by side, a head that joins two branches, a
// value that two steps read.
#include "tests/kernels/kernel_test.h"
#include "tests/kernels/precision_scope.h"

namespace mal::test::chain {

using kernels::Activation;
using kernels::ChainBackward;
using kernels::ChainForward;
using kernels::LayerSize;

const Covers kCovers(&KernelTable::chain_forward, &KernelTable::chain_backward, &KernelTable::chain_backward_workspace,
                     &KernelTable::chains_layer);

constexpr std::size_t kNone = static_cast<std::size_t>(-1);

// A step of a plan: from value x (and for an addition from `addend`) to value y. Layers have a bias unless told.
struct Step {
  std::int32_t chain;
  std::size_t x, addend, y;
  Activation activation;
  bool bias;
};
struct Plan {
  const char* name;
  std::vector<std::int64_t> widths;  // of each value
  std::vector<Step> steps;
  std::size_t unwanted = kNone;  // a value whose gradient nobody needs
};

Step layer(std::int32_t chain, std::size_t x, std::size_t y, Activation activation = Activation::relu,
           bool bias = true) {
  return {chain, x, kNone, y, activation, bias};
}
Step sum(std::int32_t chain, std::size_t x, std::size_t addend, std::size_t y) {
  return {chain, x, addend, y, Activation::none, false};
}

std::vector<Plan> plans() {
  return {
      {"one layer", {33, 7}, {layer(0, 0, 1, Activation::none)}},
      {"three towers, the last with sixteen classes",
       {128, 64, 32, 1, 128, 64, 32, 1, 128, 64, 32, 16},
       {layer(0, 0, 1), layer(0, 1, 2), layer(0, 2, 3, Activation::none), layer(1, 4, 5), layer(1, 5, 6),
        layer(1, 6, 7, Activation::none), layer(2, 8, 9), layer(2, 9, 10), layer(2, 10, 11, Activation::none)},
       4},
      {"a head over two branches",
       {160, 128, 128, 128, 64, 32, 1},
       {layer(0, 0, 1, Activation::none), sum(0, 1, 2, 3), layer(0, 3, 4), layer(0, 4, 5),
        layer(0, 5, 6, Activation::none)}},
      {"a value that two steps read, and odd widths",
       {5, 66, 33, 1, 7, 66, 3},
       {layer(0, 0, 1), layer(0, 1, 2, Activation::relu, false), layer(0, 2, 3, Activation::none), layer(0, 2, 4),
        layer(1, 5, 6, Activation::none)},
       kNone},
      {"an addition of a value to itself, and one alone", {4, 4, 130, 130, 130}, {sum(0, 0, 0, 1), sum(1, 2, 3, 4)}, 2},
  };
}

std::size_t at(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

// A value with its gradient, beside the same in float64.
struct Cell {
  Cell(Draw& draw, std::int64_t rows, std::int64_t width, std::int64_t gap)
      : value(draw, rows, width, gap), gradient(draw, rows, width, 2 * gap), dy(gradient.wide()) {}
  Matrix value, gradient;
  std::vector<double> wide, dy;
  bool computed = false, read = false, written = false;
};
// So large that values keep their size from layer to layer.
struct Weights {
  Weights(Draw& draw, std::int64_t inputs, std::int64_t outputs, float size)
      : w(draw, inputs, outputs, 0, -size, size), b(draw, 1, outputs), dw(inputs, outputs), db(1, outputs) {}
  Matrix w, b, dw, db;
  std::vector<double> want_dw, want_db;
};

class Case {
 public:
  Case(const Plan& plan, std::int64_t rows, std::int64_t gap, std::uint64_t seed) : plan_(plan), rows_(rows) {
    Draw draw(seed);
    for (const std::int64_t width : plan.widths) cells_.emplace_back(draw, rows, width, gap);
    for (const Step& step : plan.steps)
      weights_.emplace_back(draw, step.addend == kNone ? width(step.x) : 1, width(step.y),
                            std::sqrt(3.0F / static_cast<float>(width(step.x))));
    for (const Step& step : plan.steps) {
      cells_[step.y].computed = true;
      cells_[step.x].read = true;
      if (step.addend != kNone) cells_[step.addend].read = true;
    }
  }

  void forward(const KernelTable& kernels) {
    for (Cell& cell : cells_)  // what is overwritten must not matter
      if (cell.computed) cell.value = Matrix(rows_, cell.value.width(), cell.value.stride() - cell.value.width());
    std::vector<ChainForward> calls;
    for (std::size_t i = 0; i < plan_.steps.size(); ++i) {
      const Step& s = plan_.steps[i];
      const Matrix& x = cells_[s.x].value;
      Matrix& y = cells_[s.y].value;
      ChainForward call{x.data(), x.stride(), nullptr,    nullptr,    nullptr,      0,
                        y.data(), y.stride(), width(s.x), width(s.y), s.activation, s.chain};
      if (s.addend == kNone) {
        call.w = weights_[i].w.data(), call.b = s.bias ? weights_[i].b.data() : nullptr;
      } else {
        call.addend = cells_[s.addend].value.data(), call.ldaddend = cells_[s.addend].value.stride();
      }
      calls.push_back(call);
    }
    kernels.chain_forward(calls.data(), static_cast<std::int32_t>(calls.size()), rows_);
  }

  void backward(const KernelTable& kernels) {
    std::vector<ChainBackward> calls;
    std::vector<LayerSize> sizes;
    const std::int32_t chains = plan_.steps.back().chain;
    for (std::int32_t chain = 0; chain <= chains; ++chain)
      for (std::size_t i = plan_.steps.size(); i-- > 0;)
        if (plan_.steps[i].chain == chain) calls.push_back(backward_of(i, sizes));
    workspace_ =
        Matrix(1, kernels.chain_backward_workspace(sizes.data(), static_cast<std::int32_t>(sizes.size()), rows_));
    kernels.chain_backward(calls.data(), static_cast<std::int32_t>(calls.size()), rows_, workspace_.data());
  }

  // In float64, forward and backward: the values, weights and gradients that are wanted.
  void reference() {
    for (Cell& cell : cells_) {
      if (!cell.computed) cell.wide = cell.value.wide();
      if (cell.read) cell.dy.assign(at(rows_ * cell.value.width()), 0.0);
    }
    for (std::size_t i = 0; i < plan_.steps.size(); ++i) forward_of(i);
    for (std::size_t i = plan_.steps.size(); i-- > 0;) backward_reference(i);
  }

  void check_values(double tolerance = 2e-5) const {
    for (const Cell& cell : cells_)
      if (cell.computed) CHECK(mismatch(cell.value, cell.wide, tolerance) == "");
  }
  // Of values between two steps an activation may have closed the gradient since; weights show whether it was right.
  void check_gradients(double tolerance = 1e-5, double of_values = 5e-5) const {
    for (std::size_t c = 0; c < cells_.size(); ++c) {
      INFO("gradient of value " << c);
      if (!cells_[c].computed && c != plan_.unwanted)
        CHECK(mismatch(cells_[c].gradient, cells_[c].dy, of_values, 4) == "");
    }
    for (std::size_t i = 0; i < plan_.steps.size(); ++i) {
      INFO("step " << i);
      if (plan_.steps[i].addend != kNone) continue;
      CHECK(mismatch(weights_[i].dw, weights_[i].want_dw, tolerance, 10) == "");
      if (plan_.steps[i].bias) CHECK(mismatch(weights_[i].db, weights_[i].want_db, tolerance, 10) == "");
    }
  }
  Matrix& value(std::size_t cell) { return cells_[cell].value; }
  Matrix& weights_of(std::size_t step) { return weights_[step].w; }
  Bits values() const {
    Bits bits;
    for (const Cell& cell : cells_) bits.add(cell.value);
    return bits;
  }
  Bits gradients() const {
    Bits bits;
    for (const Cell& cell : cells_)
      if (cell.read) bits.add(cell.gradient);
    for (const Weights& weights : weights_) bits.add(weights.dw).add(weights.db);
    return bits;
  }

 private:
  std::int64_t width(std::size_t cell) const { return cells_[cell].value.width(); }

  // Where a step puts a gradient: the first overwrites.
  float* target(std::size_t c, std::int64_t& stride, bool& accumulate) {
    Cell& cell = cells_[c];
    stride = cell.gradient.stride();
    accumulate = std::exchange(cell.written, true);
    return c == plan_.unwanted ? nullptr : cell.gradient.data();
  }

  ChainBackward backward_of(std::size_t i, std::vector<LayerSize>& sizes) {
    const Step& s = plan_.steps[i];
    Cell &x = cells_[s.x], &y = cells_[s.y];
    for (const std::size_t c : {s.x, s.addend})
      if (c != kNone && !cells_[c].written)
        cells_[c].gradient = Matrix(rows_, width(c), cells_[c].gradient.stride() - width(c));
    ChainBackward call{};
    call.x = x.value.data(), call.ldx = x.value.stride();
    call.y = y.value.data(), call.ldy = y.value.stride();
    call.dy = y.gradient.data(), call.lddy = y.gradient.stride();
    call.dx = target(s.x, call.lddx, call.accumulate);
    call.inputs = width(s.x), call.outputs = width(s.y);
    call.activation = s.activation, call.chain = s.chain;
    if (s.addend != kNone) {
      call.daddend = target(s.addend, call.lddaddend, call.accumulate_addend);
      return call;
    }
    call.w = weights_[i].w.data();
    call.dw = weights_[i].dw.data(), call.db = s.bias ? weights_[i].db.data() : nullptr;
    sizes.push_back({call.inputs, call.outputs});
    return call;
  }

  void forward_of(std::size_t i) {
    const Step& s = plan_.steps[i];
    const std::vector<double>& x = cells_[s.x].wide;
    std::vector<double>& y = cells_[s.y].wide;
    const std::int64_t inputs = width(s.x), outputs = width(s.y);
    y.assign(at(rows_ * outputs), 0.0);
    for (std::int64_t r = 0; r < rows_; ++r)
      for (std::int64_t n = 0; n < outputs; ++n) {
        double& value = y[at(r * outputs + n)];
        if (s.addend != kNone) {
          value = x[at(r * inputs + n)] + cells_[s.addend].wide[at(r * outputs + n)];
          continue;
        }
        if (s.bias) value = static_cast<double>(weights_[i].b.at(0, n));
        for (std::int64_t k = 0; k < inputs; ++k)
          value += x[at(r * inputs + k)] * static_cast<double>(weights_[i].w.at(k, n));
        if (s.activation == Activation::relu) value = std::max(value, 0.0);
      }
  }

  void backward_reference(std::size_t i) {
    const Step& s = plan_.steps[i];
    std::vector<double>& dy = cells_[s.y].dy;
    std::vector<double>& dx = cells_[s.x].dy;
    const std::int64_t inputs = width(s.x), outputs = width(s.y);
    if (s.addend != kNone) {
      for (std::size_t e = 0; e < dy.size(); ++e) {
        dx[e] += dy[e];
        cells_[s.addend].dy[e] += dy[e];
      }
      return;
    }
    Weights& weights = weights_[i];
    weights.want_dw.assign(at(inputs * outputs), 0.0);
    weights.want_db.assign(at(outputs), 0.0);
    for (std::int64_t r = 0; r < rows_; ++r)
      for (std::int64_t n = 0; n < outputs; ++n) {
        // By the kernel's own y: a pre-activation near zero may round to either side.
        const bool closed = s.activation == Activation::relu && !(cells_[s.y].value.at(r, n) > 0);
        const double gradient = closed ? 0.0 : dy[at(r * outputs + n)];
        weights.want_db[at(n)] += gradient;
        for (std::int64_t k = 0; k < inputs; ++k) {
          dx[at(r * inputs + k)] += gradient * static_cast<double>(weights.w.at(k, n));
          weights.want_dw[at(k * outputs + n)] += cells_[s.x].wide[at(r * inputs + k)] * gradient;
        }
      }
  }

  const Plan& plan_;
  std::int64_t rows_;
  std::vector<Cell> cells_;
  std::vector<Weights> weights_;
  Matrix workspace_{0, 0};  // sums that wait for the end of a pass still need it
};

template <typename Body>
void for_each_case(const Body& body) {
  for_each_device([&](const KernelTable& kernels) {
    for (const Plan& plan : plans())
      for (const auto& [rows, gap] : {std::pair{0, 1}, {1, 0}, {31, 5}, {64, 0}, {131, 4}, {131, 1}}) {
        INFO(plan.name << ", " << rows << " rows, gap " << gap);
        Case c(plan, rows, gap, 41 + static_cast<std::uint64_t>(rows));
        body(kernels, c);
      }
  });
}

TEST_CASE("chain_forward is its steps one after the other", "[kernels][chain]") {
  for_each_case([](const KernelTable& kernels, Case& c) {
    c.forward(kernels);
    c.reference();
    c.check_values();
  });
}

TEST_CASE("chain_backward: gradients of every value, weight and bias", "[kernels][chain]") {
  for_each_case([](const KernelTable& kernels, Case& c) {
    c.forward(kernels);
    c.reference();
    c.backward(kernels);
    c.check_gradients();
  });
}

TEST_CASE("chains of more steps than a launch holds, and of layers that do not fit a block at once",
          "[kernels][chain]") {
  Plan many{"forty towers", {}, {}}, wide{"large layers", {250, 80, 253, 16, 1}, {}};
  for (std::int32_t chain = 0; chain < 40; ++chain) {
    const std::size_t first = many.widths.size();
    many.widths.insert(many.widths.end(), {9, 6, 5, 1});
    for (std::size_t i = first; i < first + 3; ++i) many.steps.push_back(layer(chain, i, i + 1));
  }
  for (std::size_t i = 0; i < 4; ++i) wide.steps.push_back(layer(0, i, i + 1, Activation::none, i % 2 == 0));
  for_each_device([&](const KernelTable& kernels) {
    for (const Plan* plan : {&many, &wide}) {
      INFO(plan->name);
      Case c(*plan, 67, 1, 51);
      c.forward(kernels);
      c.reference();
      c.check_values();
      c.backward(kernels);
      c.check_gradients();
    }
  });
}

TEST_CASE("chains in coarser precisions, twice the same bits", "[kernels][chain]") {
  const Plan plan{"a head over two branches", {48, 40, 40, 40, 24, 16, 1}, plans()[2].steps};
  for_each_device([&](const KernelTable& kernels) {
    if (is_cpu(kernels)) return;
    std::vector<Bits> bits;
    using kernels::Precision;
    // Of the largest sums, four layers one after the other.
    for (const auto& [precision, tolerance] :
         {std::pair{Precision::fp32, 1e-5}, {Precision::tf32, 4e-3}, {Precision::bf16, 3e-2}}) {
      INFO("precision " << static_cast<int>(precision));
      const PrecisionScope scope(precision);
      for (int run = 0; run < 2; ++run) {
        Case c(plan, 611, 0, 52);
        c.forward(kernels);
        c.reference();
        c.check_values(tolerance);
        c.backward(kernels);
        c.check_gradients(10 * tolerance, 10 * tolerance);
        bits.push_back(c.values().add(c.weights_of(0)));
        bits.push_back(c.gradients());
      }
    }
    for (std::size_t i = 0; i < bits.size(); i += 4) {
      CHECK(bool(bits[i] == bits[i + 2]));
      CHECK(bool(bits[i + 1] == bits[i + 3]));
      CHECK_FALSE(bool(bits[i] == bits[(i + 4) % bits.size()]));  // the precision matters
    }
  });
}

TEST_CASE("what is not finite goes through a chain, in its rows alone", "[kernels][chain]") {
  const Plan plan{"a tower", {40, 20, 8, 1}, {layer(0, 0, 1), layer(0, 1, 2), layer(0, 2, 3, Activation::none)}};
  for_each_device([&](const KernelTable& kernels) {
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      Case row(plan, 70, 0, 53), weight(plan, 70, 0, 53);
      row.value(0).at(33, 7) = bad;
      weight.weights_of(1).at(3, 5) = std::numeric_limits<float>::quiet_NaN();
      row.forward(kernels);
      weight.forward(kernels);
      for (std::int64_t r = 0; r < 70; ++r) {
        CHECK(std::isfinite(row.value(3).at(r, 0)) == (r != 33));
        CHECK(std::isnan(weight.value(3).at(r, 0)));
      }
    }
  });
}

const CoversManyRows kManyRows(kCovers);

TEST_CASE("chains of many rows", "[kernels][chain]") {
  const Plan plan{"many rows",
                  {12, 9, 3, 7, 1, 5, 5, 5},
                  {layer(0, 0, 1), layer(0, 1, 2), layer(0, 1, 3), layer(0, 3, 4, Activation::none), sum(1, 5, 6, 7)}};
  for_each_device_of_many_rows(kCovers, [&](const KernelTable& kernels, std::int64_t rows) {
    CHECK(kernels.chains_layer(1 << 20, 1 << 20) == false);
    Case c(plan, rows, 1, 43);
    c.forward(kernels);
    c.reference();
    c.check_values();
    c.backward(kernels);
    c.check_gradients(many_rows_tolerance(rows));
  });
}

TEST_CASE("chains leave the same gradients where sums wait for the end of a pass", "[kernels][chain]") {
  for_each_device([](const KernelTable& kernels) {
    const Plan plan = plans()[2];
    Case now(plan, 130, 1, 7), later(plan, 130, 1, 7);
    for (Case* c : {&now, &later}) c->forward(kernels);
    now.backward(kernels);
    kernels.begin_sums();
    later.backward(kernels);
    kernels.finish_sums();
    CHECK(bool(now.gradients() == later.gradients()));
  });
}

}  // namespace mal::test::chain

#include <tuple>

#include "tests/kernels/kernel_test.h"

namespace mal::test::linear {

using kernels::Activation;

const Covers kCovers(&KernelTable::linear_forward, &KernelTable::linear_backward,
                     &KernelTable::linear_backward_workspace, &KernelTable::linear_group_forward,
                     &KernelTable::linear_group_backward, &KernelTable::linear_group_backward_workspace,
                     &KernelTable::linear_packed_size, &KernelTable::linear_pack);

struct Shape {
  std::int64_t rows, inputs, outputs;
};
// Rows around the row block (128) and those of a product (192), inputs around a stripe of dw (48), one output apart.
// The GPU takes layers of up to 20 480 weights as chains of one step: wide ones and long ones, and what is just beyond.
constexpr Shape kShapes[] = {{0, 5, 3},     {1, 1, 1},    {1, 7, 31},     {7, 31, 1},    {31, 33, 7},   {33, 1, 33},
                             {127, 64, 2},  {128, 65, 1}, {129, 63, 33},  {255, 129, 1}, {257, 7, 16},  {1025, 33, 7},
                             {65, 128, 64}, {33, 300, 4}, {129, 117, 71}, {33, 130, 64}, {67, 203, 102}};
constexpr Activation kActivations[] = {Activation::none, Activation::relu};

// Of a sum of n products of numbers in [−1, 1) in fp32, in any order: the library's for this shape, ours. While
// it grows to about √n / 3 each addition rounds by 2^-25 of it or less: about 1e-8 n together, which hundreds of sums
// exceed threefold.
double sum_tolerance(std::int64_t n) {
  return 2e-6 + 3e-8 * static_cast<double>(n);
}
double row_tolerance(std::int64_t rows) {
  return sum_tolerance(rows);
}
double sum_tolerance(const Shape& s) {
  return sum_tolerance(std::max(s.inputs, s.outputs));
}

// Every device, and the CPUs in bf16: of numbers that are bf16 already their products are as exact as those of fp32.
template <typename Body>
void for_each_precise_device(const Body& body) {
  for_each_device(body);
  if (tests_on("cpu")) for_each_bf16_cpu(body);
}

// To eight bits.
void round_to_bf16(Matrix& matrix) {
  for (std::int64_t r = 0; r < matrix.rows(); ++r)
    for (std::int64_t c = 0; c < matrix.width(); ++c) {
      int exponent = 0;
      const float fraction = std::frexp(matrix.at(r, c), &exponent);
      matrix.at(r, c) = std::ldexp(std::round(fraction * 256), exponent - 8);
    }
}

// Everything of a layer, as float64.
struct Layer {
  std::int64_t rows, inputs, outputs;
  std::vector<double> x, w, b;

  std::vector<double> forward(Activation activation) const {
    std::vector<double> y;
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t n = 0; n < outputs; ++n) {
        double sum = b[at(n)];
        for (std::int64_t k = 0; k < inputs; ++k) sum += x[at(r * inputs + k)] * w[at(k * outputs + n)];
        y.push_back(activation == Activation::relu ? std::max(sum, 0.0) : sum);
      }
    return y;
  }
  std::vector<double> dx(const std::vector<double>& dy) const {
    std::vector<double> result(x.size());
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t k = 0; k < inputs; ++k)
        for (std::int64_t n = 0; n < outputs; ++n)
          result[at(r * inputs + k)] += dy[at(r * outputs + n)] * w[at(k * outputs + n)];
    return result;
  }
  std::vector<double> dw(const std::vector<double>& dy) const {
    std::vector<double> result(w.size());
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t k = 0; k < inputs; ++k)
        for (std::int64_t n = 0; n < outputs; ++n)
          result[at(k * outputs + n)] += x[at(r * inputs + k)] * dy[at(r * outputs + n)];
    return result;
  }
  std::vector<double> db(const std::vector<double>& dy) const {
    std::vector<double> result(b.size());
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t n = 0; n < outputs; ++n) result[at(n)] += dy[at(r * outputs + n)];
    return result;
  }
  static std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }
};

// The kernels' side of one case.
struct Case {
  Case(const Shape& shape, std::int64_t gap, std::uint64_t seed)
      : s(shape),
        draw(seed),
        x(draw, s.rows, s.inputs, gap),
        w(draw, s.inputs, s.outputs),
        b(draw, 1, s.outputs),
        y(s.rows, s.outputs, 2 * gap),
        dy(draw, s.rows, s.outputs, gap + gap / 2),
        dx(s.rows, s.inputs, gap),
        dw(s.inputs, s.outputs),
        db(1, s.outputs) {}
  Case(const Shape& shape, std::int64_t gap, std::uint64_t seed, const KernelTable& kernels) : Case(shape, gap, seed) {
    if (!is_bf16_cpu(kernels)) return;
    for (Matrix* const operand : {&x, &w, &dy}) round_to_bf16(*operand);
  }

  void forward(const KernelTable& kernels, Activation activation) {
    kernels.linear_forward(x.data(), x.stride(), w.data(), b.data(), y.data(), y.stride(), s.rows, s.inputs, s.outputs,
                           activation);
  }
  // The same calls with weights that were packed before.
  void forward_packed(const KernelTable& kernels, Activation activation, bool with_gradient) {
    const Matrix packed = pack(kernels, with_gradient);
    const kernels::LinearForward call{.x = x.data(),
                                      .ldx = x.stride(),
                                      .w = w.data(),
                                      .b = b.data(),
                                      .y = y.data(),
                                      .ldy = y.stride(),
                                      .packed = packed.data()};
    kernels.linear_group_forward(&call, 1, s.rows, s.inputs, s.outputs, activation);
  }
  void backward_packed(const KernelTable& kernels, Activation activation) {
    const Matrix packed = pack(kernels, true);
    Matrix workspace(1, kernels.linear_group_backward_workspace(1, s.rows, s.inputs, s.outputs, false));
    const kernels::LinearBackward call{.x = x.data(),
                                       .ldx = x.stride(),
                                       .w = w.data(),
                                       .y = y.data(),
                                       .ldy = y.stride(),
                                       .dy = dy.data(),
                                       .lddy = dy.stride(),
                                       .dx = dx.data(),
                                       .lddx = dx.stride(),
                                       .accumulate = false,
                                       .dw = dw.data(),
                                       .db = db.data(),
                                       .packed = packed.data()};
    kernels.linear_group_backward(&call, 1, s.rows, s.inputs, s.outputs, activation, workspace.data());
  }
  Matrix pack(const KernelTable& kernels, bool with_gradient) const {
    Matrix packed(1, kernels.linear_packed_size(s.inputs, s.outputs, with_gradient));
    kernels.linear_pack(w.data(), s.inputs, s.outputs, with_gradient, packed.data());
    return packed;
  }
  void backward(const KernelTable& kernels, Activation activation, bool accumulate, bool want_dx = true) {
    Matrix workspace(1, kernels.linear_backward_workspace(s.rows, s.inputs, s.outputs));
    kernels.linear_backward(x.data(), x.stride(), w.data(), y.data(), y.stride(), dy.data(), dy.stride(),
                            want_dx ? dx.data() : nullptr, dx.stride(), accumulate, dw.data(), db.data(), s.rows,
                            s.inputs, s.outputs, activation, workspace.data());
  }
  Layer layer() const { return {s.rows, s.inputs, s.outputs, x.wide(), w.wide(), b.wide()}; }
  // The gradient of x w + b. backward() may leave it in dy, or not.
  std::vector<double> closed(Activation activation) const {
    std::vector<double> gradient = dy.wide();
    const auto outputs = y.wide();
    for (std::size_t i = 0; i < gradient.size(); ++i)
      if (activation == Activation::relu && !(outputs[i] > 0)) gradient[i] = 0;
    return gradient;
  }

  Shape s;
  Draw draw;
  Matrix x, w, b, y, dy, dx, dw, db;
  std::vector<double> want_dw, want_db;
};

template <typename Body>
void for_each_case(const Body& body) {
  for_each_precise_device([&](const KernelTable& kernels) {
    for (const Shape& s : kShapes)
      for (const std::int64_t gap : {0, 5})
        for (const Activation activation : kActivations) {
          INFO(s.rows << " rows, " << s.inputs << " -> " << s.outputs << ", gap " << gap << ", activation "
                      << static_cast<int>(activation));
          Case c(s, gap, 11, kernels);
          body(kernels, c, activation);
        }
  });
}

TEST_CASE("linear_forward is act(x w + b)", "[kernels][linear]") {
  for_each_case([](const KernelTable& kernels, Case& c, Activation activation) {
    c.forward(kernels, activation);
    CHECK(mismatch(c.y, c.layer().forward(activation), sum_tolerance(c.s)) == "");
  });
}

TEST_CASE("linear_backward: gradients of x, w, b and of x w + b", "[kernels][linear]") {
  for_each_case([](const KernelTable& kernels, Case& c, Activation activation) {
    c.forward(kernels, activation);
    const auto dy = c.closed(activation);
    c.backward(kernels, activation, false);
    CHECK(mismatch(c.dx, c.layer().dx(dy), sum_tolerance(c.s)) == "");
    CHECK(mismatch(c.dw, c.layer().dw(dy), row_tolerance(c.s.rows)) == "");
    CHECK(mismatch(c.db, c.layer().db(dy), row_tolerance(c.s.rows)) == "");
  });
}

TEST_CASE("linear_backward adds to dx when told, and never to dw and db", "[kernels][linear]") {
  for_each_case([](const KernelTable& kernels, Case& c, Activation activation) {
    c.forward(kernels, activation);
    c.dx = Matrix(c.draw, c.s.rows, c.s.inputs, 2);
    const auto before = c.dx.wide(), dy = c.closed(activation);
    c.backward(kernels, activation, true);
    CHECK(mismatch(c.dx, plus(before, c.layer().dx(dy)), sum_tolerance(c.s)) == "");
    CHECK(mismatch(c.dw, c.layer().dw(dy), row_tolerance(c.s.rows)) == "");
    CHECK(mismatch(c.db, c.layer().db(dy), row_tolerance(c.s.rows)) == "");
  });
}

TEST_CASE("linear_backward without dx gives the same dw and db", "[kernels][linear]") {
  for_each_case([](const KernelTable& kernels, Case& c, Activation activation) {
    c.forward(kernels, activation);
    Case other = c;
    c.backward(kernels, activation, false);
    other.backward(kernels, activation, false, false);
    CHECK(bool(Bits().add(c.dw).add(c.db) == Bits().add(other.dw).add(other.db)));
  });
}

TEST_CASE("weights packed once give the bits of those packed in each call", "[kernels][linear]") {
  for_each_case([](const KernelTable& kernels, Case& c, Activation activation) {
    Case packed = c, evaluated = c;
    c.forward(kernels, activation);
    packed.forward_packed(kernels, activation, true);
    evaluated.forward_packed(kernels, activation, false);
    CHECK(bool(Bits().add(c.y) == Bits().add(packed.y)));
    CHECK(bool(Bits().add(c.y) == Bits().add(evaluated.y)));
    c.backward(kernels, activation, false);
    packed.backward_packed(kernels, activation);
    CHECK(bool(Bits().add(c.dx).add(c.dw).add(c.db) == Bits().add(packed.dx).add(packed.dw).add(packed.db)));
  });
}

// The CPU's tiles are 6, 12 or 32 rows by 8, 16 or 32 columns.
TEST_CASE("linears of every size around the CPU's tiles", "[kernels][linear]") {
  for_each_precise_device([](const KernelTable& kernels) {
    if (!is_cpu(kernels)) return;
    for (std::int64_t n = 1; n <= 70; ++n)
      for (const Activation activation : kActivations) {
        const Shape s{n % 27 + 1, n * 7 % 53 + 1, n};
        INFO(s.rows << " rows, " << s.inputs << " -> " << s.outputs << ", activation " << static_cast<int>(activation));
        Case c(s, n % 3, 12, kernels);
        c.forward(kernels, activation);
        CHECK(mismatch(c.y, c.layer().forward(activation), sum_tolerance(s)) == "");
        const auto dy = c.closed(activation);
        c.backward(kernels, activation, false);
        CHECK(mismatch(c.dx, c.layer().dx(dy), sum_tolerance(s)) == "");
        CHECK(mismatch(c.dw, c.layer().dw(dy), row_tolerance(s.rows)) == "");
        CHECK(mismatch(c.db, c.layer().db(dy), row_tolerance(s.rows)) == "");
      }
  });
}

TEST_CASE("linear_backward against central differences", "[kernels][linear]") {
  for_each_device([](const KernelTable& kernels) {
    for (const Shape& s : {Shape{7, 5, 3}, Shape{3, 4, 1}, Shape{131, 2, 2}})
      for (const Activation activation : kActivations) {
        Case c(s, 1, 12);
        Layer layer = c.layer();
        const auto dy = c.dy.wide();
        const auto loss = [&] { return dot(layer.forward(activation), dy); };
        c.forward(kernels, activation);
        c.backward(kernels, activation, false);
        CHECK(mismatch(c.dx, central_differences(layer.x, loss), 1e-6) == "");
        CHECK(mismatch(c.dw, central_differences(layer.w, loss), row_tolerance(c.s.rows)) == "");
        CHECK(mismatch(c.db, central_differences(layer.b, loss), row_tolerance(c.s.rows)) == "");
      }
  });
}

TEST_CASE("linear with extreme values", "[kernels][linear]") {
  for_each_device([](const KernelTable& kernels) {
    for (const Activation activation : kActivations)
      for (const float scale : {1e-30F, 1e15F}) {
        Case c({33, 7, 5}, 0, 13);
        for (std::int64_t i = 0; i < 33 * 7; ++i) c.x.data()[i] *= scale;
        c.b.fill(0);
        c.forward(kernels, activation);
        auto want = c.layer().forward(activation);
        for (double& value : want) value /= static_cast<double>(scale);
        for (std::int64_t i = 0; i < 33 * 5; ++i) c.y.data()[i] /= scale;
        CHECK(mismatch(c.y, want, 1e-6) == "");
      }
  });
}

TEST_CASE("a ReLU at zero passes no gradient", "[kernels][linear]") {
  for_each_device([](const KernelTable& kernels) {
    Case c({3, 2, 2}, 0, 14);
    c.x.fill(0);
    c.b.fill(0);
    c.forward(kernels, Activation::relu);
    c.backward(kernels, Activation::relu, false);
    CHECK(mismatch(c.y, std::vector<double>(6), 0) == "");
    CHECK(mismatch(c.dx, std::vector<double>(6), 0) == "");
    CHECK(mismatch(c.db, std::vector<double>(2), 0) == "");
  });
}

TEST_CASE("a layer without a bias", "[kernels][linear]") {
  for_each_case([](const KernelTable& kernels, Case& c, Activation activation) {
    const auto forward = [&](Case& layer, const float* b) {
      kernels.linear_forward(layer.x.data(), layer.x.stride(), layer.w.data(), b, layer.y.data(), layer.y.stride(),
                             c.s.rows, c.s.inputs, c.s.outputs, activation);
    };
    // Not the same bits: with another epilogue the library may take another algorithm.
    Case zeros = c;
    zeros.b.fill(0);
    forward(zeros, zeros.b.data());
    forward(c, nullptr);
    CHECK(mismatch(c.y, zeros.y.wide(), 2 * sum_tolerance(c.s)) == "");
    CHECK(mismatch(c.y, zeros.layer().forward(activation), sum_tolerance(c.s)) == "");
    const auto dy = c.closed(activation);
    Matrix workspace(1, kernels.linear_backward_workspace(c.s.rows, c.s.inputs, c.s.outputs));
    kernels.linear_backward(c.x.data(), c.x.stride(), c.w.data(), c.y.data(), c.y.stride(), c.dy.data(), c.dy.stride(),
                            c.dx.data(), c.dx.stride(), false, c.dw.data(), nullptr, c.s.rows, c.s.inputs, c.s.outputs,
                            activation, workspace.data());
    CHECK(mismatch(c.dx, c.layer().dx(dy), sum_tolerance(c.s)) == "");
    CHECK(mismatch(c.dw, c.layer().dw(dy), row_tolerance(c.s.rows)) == "");
  });
}

TEST_CASE("linear kernels give the same bits for any number of threads", "[kernels][linear]") {
  // One block of rows and one stripe of inputs, several of each.
  for (const Shape& s : {Shape{200, 64, 96}, Shape{1025, 200, 129}, Shape{1025, 129, 1}, Shape{255, 352, 256}}) {
    INFO(s.rows << " rows, " << s.inputs << " -> " << s.outputs);
    check_same_bits(
        [&](const KernelTable& kernels) {
          Case c(s, 1, 15);
          c.forward(kernels, Activation::relu);
          c.backward(kernels, Activation::relu, false);
          return Bits().add(c.y).add(c.dy).add(c.dx).add(c.dw).add(c.db);
        },
        true);
  }
}

// Layers of one shape. Alike: each with its own x and dx, all of one stride, so that a device may take them in one
// product. Otherwise of different strides, the first two read one x and give their gradients of it to one dx.
struct Group {
  Group(const Shape& shape, std::size_t count, bool with_bias, bool are_alike, const KernelTable& kernels)
      : s(shape), bias(with_bias), alike(are_alike) {
    for (std::size_t i = 0; i < count; ++i)
      layers.emplace_back(shape, alike ? 1 : static_cast<std::int64_t>(i), 21 + i, kernels);
  }
  // Index of the layer whose x and dx the i-th uses.
  std::size_t source(std::size_t i) const { return i == 1 && !alike ? 0 : i; }
  bool accumulate(std::size_t i) const { return source(i) != i; }
  bool shares_dx() const { return !alike; }

  void forward(const KernelTable& kernels, Activation activation) {
    std::vector<kernels::LinearForward> calls;
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const Matrix& x = layers[source(i)].x;
      Case& l = layers[i];
      calls.push_back({x.data(), x.stride(), l.w.data(), bias ? l.b.data() : nullptr, l.y.data(), l.y.stride()});
    }
    kernels.linear_group_forward(calls.data(), static_cast<std::int32_t>(calls.size()), s.rows, s.inputs, s.outputs,
                                 activation);
  }
  // planned: rows that the workspace is for.
  void backward(const KernelTable& kernels, Activation activation, std::int64_t planned = 0) {
    const auto count = static_cast<std::int32_t>(layers.size());
    Matrix workspace(
        1, kernels.linear_group_backward_workspace(count, std::max(planned, s.rows), s.inputs, s.outputs, shares_dx()));
    std::vector<kernels::LinearBackward> calls;
    for (std::size_t i = 0; i < layers.size(); ++i) {
      Case &from = layers[source(i)], &l = layers[i];
      calls.push_back({from.x.data(), from.x.stride(), l.w.data(), l.y.data(), l.y.stride(), l.dy.data(), l.dy.stride(),
                       i == 2 && !alike ? nullptr : from.dx.data(), from.dx.stride(), accumulate(i), l.dw.data(),
                       bias ? l.db.data() : nullptr});
    }
    kernels.linear_group_backward(calls.data(), count, s.rows, s.inputs, s.outputs, activation, workspace.data());
  }

  Shape s;
  bool bias, alike;
  std::vector<Case> layers;
};

TEST_CASE("a group of linears is its layers one after the other", "[kernels][linear]") {
  for_each_precise_device([](const KernelTable& kernels) {
    for (const Shape& s : kShapes)
      for (const auto& [count, bias, alike] : {std::tuple{std::size_t{1}, true, false},
                                               {2, false, false},
                                               {5, true, false},
                                               {40, false, false},
                                               {2, true, true},
                                               {5, false, true},
                                               {40, true, true}}) {
        if (count > 5 && s.rows * s.inputs * s.outputs > 10000) continue;  // minutes in emulation
        const Activation activation = bias ? Activation::relu : Activation::none;
        INFO(s.rows << " rows, " << s.inputs << " -> " << s.outputs << ", " << count << " layers, bias " << bias
                    << ", alike " << alike);
        Group group(s, count, bias, alike, kernels);
        group.forward(kernels, activation);
        std::vector<std::vector<double>> dx(count);
        for (std::size_t i = 0; i < count; ++i) {
          Case& c = group.layers[i];
          Layer layer = c.layer();
          layer.x = group.layers[group.source(i)].x.wide();
          if (!bias) std::ranges::fill(layer.b, 0.0);
          CHECK(mismatch(c.y, layer.forward(activation), sum_tolerance(s)) == "");
          const auto dy = c.closed(activation);
          c.want_dw = layer.dw(dy);
          c.want_db = layer.db(dy);
          dx[i] = layer.dx(dy);
        }
        group.backward(kernels, activation);
        for (std::size_t i = 0; i < count; ++i) {
          Case& c = group.layers[i];
          CHECK(mismatch(c.dw, c.want_dw, row_tolerance(s.rows)) == "");
          if (bias) CHECK(mismatch(c.db, c.want_db, row_tolerance(s.rows)) == "");
          if (i == 0)
            CHECK(mismatch(c.dx, count > 1 && !alike ? plus(dx[0], dx[1]) : dx[0], 2 * sum_tolerance(s)) == "");
          if (i > 2 || alike) CHECK(mismatch(c.dx, dx[i], sum_tolerance(s)) == "");
        }
      }
    kernels.linear_group_forward(nullptr, 0, 3, 2, 2, Activation::none);
    kernels.linear_group_backward(nullptr, 0, 3, 2, 2, Activation::none, nullptr);
  });
}

TEST_CASE("a workspace for a batch is enough for every smaller one", "[kernels][linear]") {
  for_each_device([](const KernelTable& kernels) {
    // Of a batch and of a smaller one that is cut into more parts: in emulation, and with a GPU's constants.
    for (const auto& [planned, rows] : {std::pair{608, 576}, {224, 192}, {100, 96}, {8480, 8448}, {4096, 2816}})
      for (const auto& [inputs, outputs] : {std::pair{12, 7}, {160, 130}})
        for (const std::size_t count : {std::size_t{1}, std::size_t{3}}) {
          if (rows > 1000 && is_emulated(kernels)) continue;  // minutes
          INFO(planned << " rows, then " << rows << ", " << inputs << " -> " << outputs << ", " << count << " layers");
          Group group({rows, inputs, outputs}, count, true, true, kernels);
          group.forward(kernels, Activation::relu);
          const auto dy = group.layers.back().closed(Activation::relu);
          group.backward(kernels, Activation::relu, planned);
          Case& last = group.layers.back();
          CHECK(mismatch(last.db, last.layer().db(dy), row_tolerance(rows)) == "");
        }
  });
}

const CoversManyRows kManyRows(kCovers);
TEST_CASE("linears of many rows", "[kernels][linear]") {
  for_each_device_of_many_rows(kCovers, [](const KernelTable& kernels, std::int64_t rows) {
    Case c({rows, 9, 6}, 1, 31);
    c.forward(kernels, Activation::relu);
    const Layer layer = c.layer();
    CHECK(mismatch(c.y, layer.forward(Activation::relu), sum_tolerance(c.s)) == "");
    const auto dy = c.closed(Activation::relu);
    c.backward(kernels, Activation::relu, false);
    CHECK(mismatch(c.dx, layer.dx(dy), sum_tolerance(c.s)) == "");
    CHECK(mismatch(c.dw, layer.dw(dy), many_rows_tolerance(rows)) == "");
    CHECK(mismatch(c.db, layer.db(dy), many_rows_tolerance(rows)) == "");
    const auto y = c.y.wide();
    c.forward_packed(kernels, Activation::relu, true);
    CHECK(mismatch(c.y, y, 0) == "");
    // Two of three with one dx.
    const Shape s{rows, 12, 7};
    Group group(s, 3, true, false, kernels);
    group.forward(kernels, Activation::relu);
    const Layer first = group.layers[0].layer();
    const auto x = first.x;
    CHECK(mismatch(group.layers[0].y, first.forward(Activation::relu), sum_tolerance(s)) == "");
    const std::vector<double> of_group[] = {group.layers[0].closed(Activation::relu),
                                            group.layers[1].closed(Activation::relu)};
    group.backward(kernels, Activation::relu);
    std::vector<std::vector<double>> dx;
    for (const std::size_t i : {0, 1}) {
      Case& each = group.layers[i];
      Layer of_first = each.layer();
      of_first.x = x;
      dx.push_back(of_first.dx(of_group[i]));
      CHECK(mismatch(each.dw, of_first.dw(of_group[i]), many_rows_tolerance(s.rows)) == "");
      CHECK(mismatch(each.db, of_first.db(of_group[i]), many_rows_tolerance(s.rows)) == "");
    }
    CHECK(mismatch(group.layers[0].dx, plus(dx[0], dx[1]), 2 * sum_tolerance(s)) == "");
  });
}

}  // namespace mal::test::linear

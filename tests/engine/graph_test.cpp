#include "engine/graph.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "engine/error.h"
#include "engine/ops.h"
#include "engine/random.h"

namespace {

using namespace mal;

constexpr std::int64_t kRows = 5;

// numbers → linear → … → losses, driven by hand.
struct SmallGraph {
  explicit SmallGraph(bool training = true, std::int64_t max_rows = kRows)
      : device(select_device("cpu", 1)), graph(device, max_rows, training) {}

  Value numbers(int count) {
    std::vector<Input> inputs;
    for (int i = 0; i < count; ++i) inputs.push_back(graph.add_input("x" + std::to_string(i)));
    data.assign(static_cast<std::size_t>(count), std::vector<float>(static_cast<std::size_t>(graph.max_rows())));
    const Random random(3, "numbers");
    for (std::size_t i = 0; i < data.size(); ++i) {
      for (std::size_t r = 0; r < data[i].size(); ++r) data[i][r] = static_cast<float>(random.normal(i * 100 + r));
      graph.bind(inputs[i], {nullptr, nullptr, data[i].data()});
    }
    return ops::input_values(graph, inputs, "numbers");
  }

  Value credits() {
    const Input input = graph.add_input("credit");
    credit.assign(static_cast<std::size_t>(graph.max_rows()), 0.0F);
    for (std::size_t r = 0; r < credit.size(); r += 2) credit[r] = 0.5F;
    graph.bind(input, {nullptr, nullptr, credit.data()});
    return ops::input_values(graph, {input}, "credits");
  }

  void loss(Value logits) {
    const Value labels = credits();
    ops::LossHead head{};
    head.view_count = 1;
    head.scale = 1;
    ops::multi_view_loss(graph, logits, labels, {head}, ops::Reduction::mean, losses.data());
  }

  double run() {
    graph.forward(kRows);
    graph.backward(kRows);
    return losses[0];
  }

  // d loss / d parameter[i] by central differences.
  double slope(Parameter& parameter, std::int64_t i) {
    constexpr float kStep = 1e-2F;  // the networks are smooth: no activation has a kink
    float& weight = parameter.value.data()[i];
    const float at = weight;
    weight = at + kStep;
    const double up = run();
    weight = at - kStep;
    const double down = run();
    weight = at;
    return (up - down) / (2.0 * kStep);
  }

  void check_all_gradients() {
    for (Parameter& parameter : parameters.all_dense()) {
      run();
      const std::vector<float> gradient(parameter.gradient.span().begin(), parameter.gradient.span().end());
      for (std::int64_t i = 0; i < parameter.value.size(); ++i) {
        INFO(parameter.name << "[" << i << "]");
        CHECK(slope(parameter, i) == Approx(gradient[static_cast<std::size_t>(i)]).epsilon(0.01).margin(2e-4));
      }
    }
  }

  Device device;
  Graph graph;
  Parameters parameters{11};
  std::vector<std::vector<float>> data;
  std::vector<float> credit;
  std::vector<double> losses = std::vector<double>(1);
};

constexpr auto kNone = ops::Activation::none;

}  // namespace

TEST_CASE("a value read by several ops sums their gradients", "[graph]") {
  SmallGraph g;
  const Value x = g.numbers(3);
  const Value h = ops::linear(g.graph, g.parameters, x, 4, kNone, "h");
  const Value a = ops::linear(g.graph, g.parameters, h, 2, kNone, "a");
  const Value b = ops::linear(g.graph, g.parameters, h, 2, kNone, "b");
  const Value sum = ops::add(g.graph, a, b, "sum");
  g.loss(ops::linear(g.graph, g.parameters, ops::concat(g.graph, {sum, h}, "both"), 1, kNone, "logit"));
  g.graph.plan();
  g.check_all_gradients();
}

TEST_CASE("concat moves its parts, and copies a part that is in two of them", "[graph]") {
  SmallGraph g;
  const Value x = g.numbers(3);
  const Value a = ops::linear(g.graph, g.parameters, x, 2, kNone, "a");
  const Value b = ops::linear(g.graph, g.parameters, x, 3, kNone, "b");
  const std::size_t before = g.graph.ops().size();
  const Value both = ops::concat(g.graph, {a, b}, "both");
  CHECK(g.graph.ops().size() == before);
  const Value again = ops::concat(g.graph, {b, a}, "again");
  CHECK(g.graph.ops().size() == before + 2);
  const Value nested = ops::concat(g.graph, {both, again}, "nested");
  g.loss(ops::linear(g.graph, g.parameters, nested, 1, kNone, "logit"));
  g.graph.plan();
  g.check_all_gradients();
}

TEST_CASE("a slice passes its gradient to the columns it shows; the others get zero", "[graph]") {
  SmallGraph g;
  const Value x = g.numbers(3);
  const Value h = ops::linear(g.graph, g.parameters, x, 5, kNone, "h");
  const Value middle = ops::slice(g.graph, h, 1, 2);
  const Value last = ops::slice(g.graph, h, 4, 1);
  const Value joined = ops::concat(g.graph, {middle, last}, "joined");
  g.loss(ops::linear(g.graph, g.parameters, joined, 1, kNone, "logit"));
  g.graph.plan();
  g.check_all_gradients();
}

TEST_CASE("a part that is used alone before and after its concat", "[graph]") {
  SmallGraph g;
  const Value x = g.numbers(2);
  const Value a = ops::linear(g.graph, g.parameters, x, 3, kNone, "a");
  const Value b = ops::linear(g.graph, g.parameters, x, 3, kNone, "b");
  const Value early = ops::linear(g.graph, g.parameters, a, 2, kNone, "early");
  const Value both = ops::concat(g.graph, {a, b}, "both");
  const Value top = ops::linear(g.graph, g.parameters, both, 2, kNone, "top");
  const Value late = ops::linear(g.graph, g.parameters, a, 2, kNone, "late");
  const Value sum = ops::add(g.graph, ops::add(g.graph, early, top, "sum1"), late, "sum2");
  g.loss(ops::linear(g.graph, g.parameters, sum, 1, kNone, "logit"));
  g.graph.plan();
  g.check_all_gradients();
}

TEST_CASE("detach stops the gradient and keeps the numbers", "[graph]") {
  SmallGraph g;
  const Value x = g.numbers(3);
  const Value a = ops::linear(g.graph, g.parameters, x, 2, kNone, "a");
  const Value b = ops::linear(g.graph, g.parameters, x, 2, kNone, "b");
  const Value joined = ops::concat(g.graph, {ops::detach(g.graph, a), b}, "joined");
  g.loss(ops::linear(g.graph, g.parameters, joined, 1, kNone, "logit"));
  g.graph.plan();
  g.run();
  for (const Parameter& parameter : g.parameters.all_dense()) {
    double size = 0;
    for (const float v : parameter.gradient.span()) size += std::abs(v);
    INFO(parameter.name);
    CHECK((size > 0) == (parameter.name.front() != 'a'));
  }
}

TEST_CASE("the arena shares memory, and an evaluation graph takes less", "[graph]") {
  const auto chain = [](SmallGraph& g) {
    Value x = g.numbers(8);
    for (int layer = 0; layer < 12; ++layer)
      x = ops::linear(g.graph, g.parameters, x, 32, kNone, "layer" + std::to_string(layer));
    const Value logits = ops::linear(g.graph, g.parameters, x, 1, kNone, "logit");
    g.graph.keep(logits);
    if (g.graph.training()) g.loss(logits);
    g.graph.plan();
    return logits;
  };
  // Rows enough for the values to be more than the packed weights, which both have.
  SmallGraph training(true, 500), evaluation(false, 500);
  const Value a = chain(training), b = chain(evaluation);
  CHECK(training.graph.arena_bytes() < training.graph.unplanned_bytes());
  CHECK(evaluation.graph.arena_bytes() < training.graph.arena_bytes() / 3);
  training.graph.forward(kRows);
  evaluation.graph.forward(kRows);
  for (std::int64_t r = 0; r < kRows; ++r) {
    const Matrix left = training.graph.matrix(a), right = evaluation.graph.matrix(b);
    CHECK(left.data[r * left.stride] == right.data[r * right.stride]);
  }
}

TEST_CASE("misuse of a graph is an error, not a crash", "[graph]") {
  SmallGraph g;
  const Value x = g.numbers(3);
  CHECK_THROWS_AS(g.graph.forward(1), Error);
  CHECK_THROWS_WITH(ops::slice(g.graph, x, 2, 2), Catch::Contains("takes columns 2 to 4"));
  const Value a = ops::linear(g.graph, g.parameters, x, 2, kNone, "a");
  CHECK_THROWS_WITH(ops::add(g.graph, a, x, "bad"), Catch::Contains("cannot add"));
  CHECK_THROWS_WITH(ops::linear(g.graph, g.parameters, a, 2, kNone, "a"), Catch::Contains("two different shapes"));
  g.graph.plan();
  CHECK_THROWS_AS(g.graph.plan(), Error);
  CHECK_THROWS_WITH(g.graph.forward(kRows + 1), Catch::Contains("at most 5"));
  SmallGraph evaluation(false);
  evaluation.numbers(1);
  evaluation.graph.plan();
  CHECK_THROWS_AS(evaluation.graph.backward(1), Error);
}

TEST_CASE("layers of one shape run as one call as soon as their inputs are there, and gradients are right", "[graph]") {
  SmallGraph g;
  const Value x = g.numbers(4);
  const auto layer = [&](Value from, std::int64_t width, const std::string& name) {
    return ops::linear(g.graph, g.parameters, from, width, kNone, name);
  };
  // Two towers recorded one after the other, the second a level deeper, and a layer that reads a slice of x: it adds to
  // a part of the gradient that the towers write.
  const Value a0 = layer(x, 4, "a0"), a1 = layer(a0, 4, "a1");
  const Value b0 = layer(x, 4, "b0"), b1 = layer(b0, 4, "b1"), b2 = layer(b1, 4, "b2");
  const Value s = layer(ops::slice(g.graph, layer(x, 5, "wide"), 1, 4), 4, "s");
  const Value unused = layer(x, 4, "unused");
  CHECK(g.graph.width(unused) == 4);
  const Value all = ops::concat(g.graph, {a1, b2, s}, "all");
  g.loss(layer(all, 1, "logit"));
  g.graph.plan();
  std::vector<std::string> calls;
  for (const auto& call : g.graph.calls()) {
    std::string& names = calls.emplace_back();
    for (const std::size_t op : call) names += (names.empty() ? "" : " ") + g.graph.ops()[op].name;
  }
  CHECK(calls ==
        std::vector<std::string>{"numbers", "a0 b0 unused", "a1 b1", "b2", "wide", "s", "logit", "credits", "loss"});
  g.check_all_gradients();
}

TEST_CASE("numbers that lie side by side are read as they lie", "[graph]") {
  SmallGraph g(false);
  const Value x = g.numbers(3);
  g.graph.plan();
  g.graph.forward(kRows);
  const std::vector<float> apart = g.graph.read(x, kRows);
  std::vector<float> block(kRows * 5, -1.0F);  // the second and third column are neighbours, the first is elsewhere
  for (std::size_t r = 0; r < kRows; ++r)
    for (std::size_t i = 0; i < 3; ++i) block[r * 5 + (i == 0 ? 4 : i)] = g.data[i][r];
  for (std::int32_t i = 0; i < 3; ++i)
    g.graph.bind({i}, {nullptr, nullptr, &block[i == 0 ? 4U : static_cast<std::size_t>(i)], 5});
  g.graph.forward(kRows);
  CHECK(g.graph.read(x, kRows) == apart);
}

namespace {

// Copies its input; what it prepares must be there until the last call of a step.
class Prepares final : public Op {
 public:
  Prepares(Value x, Value y, int& prepared) : x_(x), y_(y), prepared_(prepared) {}
  void prepare(const Run& run) override {
    ++prepared_;
    for (int i = 0; i < 40; ++i) run.prepared()[i] = static_cast<float>(prepared_ + i);
  }
  void forward(const Run& run) override {
    check(run);
    const Matrix x = run.value(x_), y = run.value(y_);
    run.kernels.copy(x.data, x.stride, y.data, y.stride, run.rows, 4, false);
  }
  void backward(const Run& run) override {
    check(run);
    const Matrix dy = run.gradient(y_);
    const GradientTarget dx = run.gradient_of_input(0);
    run.kernels.copy(dy.data, dy.stride, dx.data, dx.stride, run.rows, 4, dx.accumulate);
  }

 private:
  void check(const Run& run) const {
    for (int i = 0; i < 40; ++i) CHECK(run.prepared()[i] == static_cast<float>(prepared_ + i));
  }
  Value x_, y_;
  int& prepared_;
};

}  // namespace

TEST_CASE("what an op prepares is made once a step and stays until its end", "[graph]") {
  SmallGraph g;
  std::vector<int> prepared(3);
  Value h = ops::linear(g.graph, g.parameters, g.numbers(3), 4, kNone, "first");
  for (int& count : prepared) {
    const Value copy = g.graph.add_value(4, true, "copy");
    OpInfo info;
    info.name = "copy";
    info.inputs = {h};
    info.outputs = {copy};
    info.prepared = 40;
    g.graph.record(std::make_unique<Prepares>(h, copy, count), std::move(info));
    h = ops::linear(g.graph, g.parameters, copy, 4, kNone, "after" + std::to_string(&count - prepared.data()));
  }
  g.loss(ops::linear(g.graph, g.parameters, h, 1, kNone, "logit"));
  g.graph.plan();
  g.run();
  g.graph.backward(kRows);
  g.run();
  CHECK(prepared == std::vector<int>(3, 2));
}

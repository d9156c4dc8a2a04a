#include "engine/multi_task.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <optional>
#include <set>

#include "engine/ops.h"
#include "engine/random.h"

namespace mal::test::multi_task {

using Vectors = std::vector<std::vector<double>>;

double product(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

Vectors gram(const Vectors& g) {
  Vectors result(g.size(), std::vector<double>(g.size()));
  for (std::size_t i = 0; i < g.size(); ++i)
    for (std::size_t j = 0; j < g.size(); ++j) result[i][j] = product(g[i], g[j]);
  return result;
}

std::vector<double> combined(MultiTask kind, const Vectors& g, std::int64_t step = 1) {
  const std::vector<double> weights = combination_weights(kind, gram(g), 7, step);
  std::vector<double> sum(g.front().size());
  for (std::size_t i = 0; i < g.size(); ++i)
    for (std::size_t c = 0; c < sum.size(); ++c) sum[c] += weights[i] * g[i][c];
  return sum;
}

void check_close(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  for (std::size_t c = 0; c < a.size(); ++c) CHECK(a[c] == Approx(b[c]).margin(1e-12));
}

TEST_CASE("pcgrad of two conflicting gradients projects each on the other's normal plane", "[multi_task]") {
  // g1 = (1, 0), g2 = (−1, 1): g1' = g1 + ½ g2 = (½, ½), g2' = g2 + g1 = (0, 1).
  check_close(combined(MultiTask::pcgrad, {{1, 0}, {-1, 1}}), {0.5, 1.5});
  check_close(combined(MultiTask::pcgrad, {{1, 0}, {1, 1}}), {2, 1});
  check_close(combined(MultiTask::pcgrad, {{1, 0}, {0, 0}}), {1, 0});
}

TEST_CASE("pcgrad of four is the paper's loop for some order of each", "[multi_task]") {
  const Vectors g = {{1, 0, 0.2}, {-1, 1, 0}, {-0.5, -2, 1}, {0.3, 0.1, -1}};
  // Every result that some choice of orders gives, g_i by g_i.
  std::vector<std::vector<std::vector<double>>> projected(g.size());
  for (std::size_t i = 0; i < g.size(); ++i) {
    std::vector<std::size_t> order;
    for (std::size_t j = 0; j < g.size(); ++j)
      if (j != i) order.push_back(j);
    do {
      std::vector<double> v = g[i];
      for (const std::size_t j : order) {
        const double along = product(v, g[j]);
        if (along < 0)
          for (std::size_t c = 0; c < v.size(); ++c) v[c] -= along / product(g[j], g[j]) * g[j][c];
      }
      projected[i].push_back(v);
    } while (std::next_permutation(order.begin(), order.end()));
  }
  std::set<std::vector<long>> results;
  for (std::int64_t step = 1; step <= 40; ++step) {
    const std::vector<double> sum = combined(MultiTask::pcgrad, g, step);
    CHECK(sum == combined(MultiTask::pcgrad, g, step));
    bool found = false;
    for (const auto& a : projected[0])
      for (const auto& b : projected[1])
        for (const auto& c : projected[2])
          for (const auto& d : projected[3]) {
            double off = 0;
            for (std::size_t k = 0; k < 3; ++k) off += std::abs(a[k] + b[k] + c[k] + d[k] - sum[k]);
            found = found || off < 1e-9;
          }
    CHECK(found);
    results.insert({std::lround(sum[0] * 1e6), std::lround(sum[1] * 1e6), std::lround(sum[2] * 1e6)});
  }
  CHECK(results.size() > 1);  // the order is new at every step
}

TEST_CASE("gcs weighs each gradient by its cosine to the primary one", "[multi_task]") {
  check_close(combined(MultiTask::gcs, {{2, 0}, {3, 4}}), {2 + 0.6 * 3, 0.6 * 4});
  check_close(combined(MultiTask::gcs, {{2, 0}, {-3, 4}, {0, 0}}), {2, 0});
  check_close(combined(MultiTask::gcs, {{0, 0}, {1, 1}}), {0, 0});
}

Device with_tiles(Device device, std::int64_t rows) {
  device.tile_rows = rows;
  return device;
}

// x → shared → left and right, with a layer above that only the right one reads.
struct TwoLosses {
  explicit TwoLosses(MultiTask kind, std::int64_t tile_rows = 0)
      : device(with_tiles(select_device("cpu", 1), tile_rows)), graph(device, 4, true) {
    const Random random(5, "two losses");
    for (std::size_t i = 0; i < 12; ++i) data[i / 4].push_back(static_cast<float>(random.normal(i)));
    credits[0] = {0, 0.5F, 1, 0};
    credits[1] = {1, 0, 0, 1};
    const auto inputs = [&](std::vector<float>* columns, std::size_t count, const std::string& name) {
      std::vector<Input> result;
      for (std::size_t i = 0; i < count; ++i) {
        result.push_back(graph.add_input(name));
        graph.bind(result.back(), {nullptr, nullptr, columns[i].data()});
      }
      return ops::input_values(graph, result, name);
    };
    const auto linear = [&](Value x, std::int64_t width, const std::string& name) {
      return ops::linear(graph, parameters, x, width, ops::Activation::none, name);
    };
    const Value shared = linear(inputs(data, 3, "x"), 4, "shared");
    const Value left = linear(shared, 1, "left"), above = linear(shared, 2, "above"), right = linear(above, 1, "right");
    ops::LossHead a{}, b{};
    a.view_count = b.view_count = 1;
    a.scale = 1;
    b.scale = 0.7F;
    b.column = b.views[0] = 1;
    const Value logits = ops::concat(graph, {left, right}, "logits");
    ops::multi_view_loss(graph, logits, inputs(credits, 2, "c"), {a, b}, ops::Reduction::mean, losses.data(), &only);
    graph.plan(Passes::repeatable);
    for (const Value head : {left, right}) {
      std::set<std::string> names;
      for (const Parameter* parameter : graph.reached_from(head).learns)
        if (parameter->name.ends_with("/weight")) names.insert(parameter->name.substr(0, parameter->name.find('/')));
      reached.push_back(names);
    }
    surgery.emplace(graph, parameters, std::vector<Value>{left, right}, only, kind, 3);
    graph.forward(4);
  }
  std::vector<double> gradient(const std::string& name) {
    for (const Parameter& parameter : parameters.all_dense())
      if (parameter.name == name) return {parameter.gradient.span().begin(), parameter.gradient.span().end()};
    return {};
  }

  Device device;
  Graph graph;
  Parameters parameters{11};
  std::vector<float> data[3], credits[2];
  std::vector<double> losses = std::vector<double>(2);
  std::int32_t only = -1;
  std::vector<std::set<std::string>> reached;
  std::optional<GradientSurgery> surgery;
};

TEST_CASE("reached_from names the parameters that a head's gradient flows into", "[multi_task]") {
  const TwoLosses g(MultiTask::gcs);
  CHECK(g.reached[0] == std::set<std::string>{"left", "shared"});
  CHECK(g.reached[1] == std::set<std::string>{"right", "above", "shared"});
}

TEST_CASE("surgery combines shared parameters alone, and leaves the losses", "[multi_task]") {
  for (const auto& [kind, tile_rows] : {std::pair{MultiTask::none, 0},
                                        {MultiTask::pcgrad, 0},
                                        {MultiTask::gcs, 0},
                                        {MultiTask::pcgrad, 3},
                                        {MultiTask::gcs, 1}}) {
    INFO("kind " << static_cast<int>(kind) << ", tiles of " << tile_rows << " rows");
    TwoLosses g(kind, tile_rows);
    std::vector<std::vector<double>> heads[2];
    std::vector<double> shared[2];
    for (std::int32_t head = 0; head < 2; ++head) {
      g.only = head;
      g.graph.backward(4);
      for (const char* name : {"left/weight", "above/weight", "right/bias"}) heads[head].push_back(g.gradient(name));
      shared[head] = g.gradient("shared/weight");
      for (const double v : g.gradient("shared/bias")) shared[head].push_back(v);
    }
    g.only = -1;
    g.graph.backward(4);
    const std::vector<double> losses = g.losses, sum = g.gradient("shared/weight");
    for (std::size_t i = 0; i < sum.size(); ++i) CHECK(sum[i] == Approx(shared[0][i] + shared[1][i]).margin(1e-6));

    g.surgery->backward(4, 1);
    CHECK(g.losses == losses);
    std::vector<double> got = g.gradient("shared/weight");
    for (const double v : g.gradient("shared/bias")) got.push_back(v);
    const std::vector<double> want = combined(kind, {shared[0], shared[1]});
    for (std::size_t i = 0; i < want.size(); ++i) CHECK(got[i] == Approx(want[i]).margin(1e-6));
    double off = 0;  // from the plain sum: the two losses do pull against each other
    for (std::size_t i = 0; i < sum.size(); ++i) off += std::abs(got[i] - sum[i]);
    CHECK((off > 1e-2) == (kind != MultiTask::none));
    std::size_t k = 0;
    for (const char* name : {"left/weight", "above/weight", "right/bias"}) {
      const std::vector<double> plain = g.gradient(name);
      for (std::size_t i = 0; i < plain.size(); ++i)
        CHECK(plain[i] == Approx(heads[0][k][i] + heads[1][k][i]).margin(1e-7));
      ++k;
    }
  }
}

TEST_CASE("reached_from follows each output of a mixture to its own gates", "[multi_task]") {
  Graph graph(select_device("cpu", 1), 2, true);
  Parameters parameters(1);
  const Value x = ops::linear(graph, parameters, ops::input_values(graph, {graph.add_input("x")}, "x"), 2,
                              ops::Activation::none, "below");
  const auto linear = [&](const std::string& name) {
    return ops::linear(graph, parameters, x, 1, ops::Activation::none, name);
  };
  Parameter& constant = parameters.dense("constant", {1}, Initialiser::constant(1));
  using kernels::GateKind;
  const std::vector<Value> y = ops::mixture(graph, {linear("expert0"), linear("expert1")},
                                            {{GateKind::sigmoid, 0, {0}, linear("gate0"), nullptr},
                                             {GateKind::sigmoid, 1, {1}, linear("gate1"), nullptr},
                                             {GateKind::constant, 1, {0}, {}, &constant}},
                                            {"y0", "y1"}, "mixture");
  const auto names = [&](Value from) {
    std::set<std::string> result;
    for (const Parameter* parameter : graph.reached_from(from).learns)
      result.insert(parameter->name.substr(0, parameter->name.find('/')));
    return result;
  };
  CHECK(names(y[0]) == std::set<std::string>{"below", "expert0", "gate0"});
  CHECK(names(y[1]) == std::set<std::string>{"below", "expert0", "expert1", "gate1", "constant"});
}

}  // namespace mal::test::multi_task

// Which calls a graph joins to chains where the device takes them, and that the numbers stay what they were.
#include <catch2/catch.hpp>

#include "tests/device/emulated_training.h"

namespace mal::test::chains {

std::vector<std::string> calls_of(const Graph& graph) {
  std::vector<std::string> calls;
  for (const auto& call : graph.calls()) {
    std::string& names = calls.emplace_back();
    for (const std::size_t op : call) names += (names.empty() ? "" : " ") + graph.ops()[op].name;
  }
  return calls;
}

// Two towers over one input, of which the second is deeper; their ends are read by a layer and by a sum.
std::vector<std::string> recorded(const Device& device, bool training) {
  Parameters parameters(3, {}, device.memory);
  Graph graph(device, 5, training);
  const Value x = graph.add_value(200, true, "x");
  const auto layer = [&](Value from, std::int64_t width, const std::string& name) {
    return ops::linear(graph, parameters, from, width, ops::Activation::relu, name);
  };
  const Value wide = layer(x, 200, "wide");
  const Value a0 = layer(wide, 20, "a0"), a1 = layer(a0, 8, "a1");
  const Value b0 = layer(wide, 20, "b0"), b1 = layer(b0, 9, "b1"), b2 = layer(b1, 8, "b2");
  const Value sum = ops::add(graph, a1, b2, "sum");
  layer(ops::concat(graph, {sum, layer(a1, 7, "side")}, "both"), 1, "end");
  graph.plan();
  return calls_of(graph);
}

TEST_CASE("calls that follow each other become chains where the device takes them", "[device]") {
  const std::vector<std::string> apart = {"wide", "a0 b0", "a1", "b1", "b2", "sum", "side", "end"};
  CHECK(recorded(cpu_device(), true) == apart);
  TestDevice gpu;
  // "wide" is too large. Both towers add to its gradient: one chain, if they joined the layers before them.
  CHECK(recorded(gpu.device, true) == std::vector<std::string>{"wide", "a0 b0", "a1 b1 b2", "sum side end"});
  // Without gradients nothing connects the towers up to their sum, nor the two that read a1.
  CHECK(recorded(gpu.device, false) == std::vector<std::string>{"wide", "a0 a1 b0 b1 b2", "sum side", "end"});
}

}  // namespace mal::test::chains

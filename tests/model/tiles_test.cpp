// Steps that run tile by tile: the same bits with any number of threads and with forward and backward in one pass or
// in two, and the numbers of a step over the whole batch.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <limits>

#include "tests/model/small_model.h"
#include "tests/support/bf16_kernels.h"

namespace mal::test::tiles {

struct Setting {
  std::int64_t rows = 6, max_rows = 6, tile_rows = 0;
  int threads = 1;
  Passes passes = Passes::apart;
  ops::Reduction reduction = ops::Reduction::mean;
  bool weighted = false;                          // rows have weights
  bool one_call = false;                          // Graph::train()
  const kernels::KernelTable* kernels = nullptr;  // null: the CPU's in fp32
};

// What a step leaves: losses, logits, gradients of dense parameters, then of each table's rows.
struct Left {
  std::vector<double> losses;
  std::vector<float> logits, gradients;
  friend bool operator==(const Left& a, const Left& b) {
    const auto same = [](const std::vector<float>& x, const std::vector<float>& y) {
      return x.size() == y.size() && (x.empty() || std::memcmp(x.data(), y.data(), x.size() * sizeof(float)) == 0);
    };
    return a.losses == b.losses && same(a.logits, b.logits) && same(a.gradients, b.gradients);
  }
};

Device device_of(const Setting& setting) {
  Device device = select_device("cpu", setting.threads);
  device.tile_rows = setting.tile_rows;
  if (setting.kernels != nullptr) device.kernels = setting.kernels;
  return device;
}

Left step(const ModelConfig& config, const Setting& setting, int steps = 2) {
  const Device device = device_of(setting);
  const Schema schema = small_schema(setting.weighted);
  Parameters parameters(3, [&](std::int32_t width) { return sparse_state_width(device, {}, width); });
  Graph graph(device, setting.max_rows, true);
  const Model model = build_model(graph, parameters, schema, config);
  Left left;
  left.losses.resize(model.heads.size());
  ops::multi_view_loss(graph, model.logits, model.credits, model.loss_heads, setting.reduction, left.losses.data(),
                       nullptr, {model.weights, 1.25});
  graph.plan(setting.passes);
  for (Parameter& parameter : parameters.all_dense())  // what no step writes shows
    for (float& g : parameter.gradient.span()) g = 77;
  // Other batches first: a step must not find what one before it left.
  for (int s = steps - 1; s >= 0; --s) {
    const Batch batch =
        small_batch(schema, s == 0 ? setting.rows : setting.max_rows, 5 + static_cast<std::uint64_t>(s));
    bind_batch(graph, model.inputs, schema, batch);
    if (setting.one_call) {
      graph.train(batch.rows);
    } else {
      graph.forward(batch.rows);
      graph.backward(batch.rows);
    }
  }
  left.logits = graph.read(model.logits, setting.rows);
  for (const Parameter& parameter : parameters.all_dense())
    left.gradients.insert(left.gradients.end(), parameter.gradient.span().begin(), parameter.gradient.span().end());
  for (const SparseGradient* sparse : graph.sparse_gradients())
    left.gradients.insert(left.gradients.end(), sparse->values,
                          sparse->values + *sparse->count * sparse->table->width());
  return left;
}

void check_near(const Left& a, const Left& b) {
  REQUIRE(a.losses.size() == b.losses.size());
  REQUIRE(a.logits.size() == b.logits.size());
  REQUIRE(a.gradients.size() == b.gradients.size());
  for (std::size_t h = 0; h < a.losses.size(); ++h) CHECK(a.losses[h] == Approx(b.losses[h]).epsilon(1e-6));
  double largest = 0, off = 0, wrong_logits = 0;
  for (std::size_t i = 0; i < a.logits.size(); ++i)
    wrong_logits = std::max(wrong_logits, std::abs(static_cast<double>(a.logits[i] - b.logits[i])));
  for (std::size_t i = 0; i < a.gradients.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(b.gradients[i])));
    off = std::max(off, std::abs(static_cast<double>(a.gradients[i] - b.gradients[i])));
  }
  CHECK(wrong_logits < 1e-5);
  CHECK(off <= 2e-6 * std::max(1.0, largest));
}

const std::vector<std::string> kTypes = {"base", "mal",   "shared_bottom", "mmoe", "ple",
                                         "home", "adatt", "natal",         "moae"};

TEST_CASE("every model: a step by tiles is a step over the whole batch", "[tiles]") {
  for (const std::string& type : kTypes) {
    ModelConfig config = small_config(type);
    config.senet.enabled = type == "base";
    if (type == "mal") config.interaction.attention = Attention::mha;
    for (const ops::Reduction reduction : {ops::Reduction::mean, ops::Reduction::sum, ops::Reduction::weight_mean}) {
      INFO(type << ", reduction " << static_cast<int>(reduction));
      Setting setting{.rows = 23, .max_rows = 23, .reduction = reduction};
      const Left whole = step(config, setting);
      setting.tile_rows = 5;
      check_near(step(config, setting), whole);
    }
  }
}

TEST_CASE("a step by tiles over rows with weights is a step over the whole batch, and other than without them",
          "[tiles]") {
  for (const ops::Reduction reduction : {ops::Reduction::mean, ops::Reduction::sum, ops::Reduction::weight_mean}) {
    INFO("reduction " << static_cast<int>(reduction));
    Setting setting{.rows = 23, .max_rows = 23, .reduction = reduction, .weighted = true};
    const Left whole = step(small_config("mal"), setting);
    setting.tile_rows = 5;
    check_near(step(small_config("mal"), setting), whole);
    setting.weighted = false;
    for (std::size_t h = 0; h < whole.losses.size(); ++h)
      CHECK(std::abs(step(small_config("mal"), setting).losses[h] - whole.losses[h]) > 1e-3 * whole.losses[h]);
  }
}

void check_same_bits(const std::string& type, Setting setting) {
  INFO(type);
  const Left apart = step(small_config(type), setting);
  for (const Passes passes : {Passes::apart, Passes::repeatable, Passes::together})
    for (const bool one_call : {false, true})
      for (const int threads : {1, 2, 5}) {
        INFO("passes " << static_cast<int>(passes) << ", one call " << one_call << ", threads " << threads);
        setting.passes = passes;
        setting.one_call = one_call;
        setting.threads = threads;
        CHECK(step(small_config(type), setting) == apart);
      }
}

TEST_CASE("every model: the same bits in one pass and in two, with any number of threads", "[tiles]") {
  for (const std::string& type : kTypes) check_same_bits(type, {.rows = 23, .max_rows = 23, .tile_rows = 5});
}

TEST_CASE("in bf16 too: the same bits in one pass and in two, with any number of threads", "[tiles][bf16]") {
  const Left fp32 = step(small_config("mal"), {.rows = 23, .max_rows = 23, .tile_rows = 5});
  for (const Bf16Kernels& each : bf16_kernels_of(kernels::cpu_variant())) {
    INFO(each.name);
    const Setting setting{.rows = 23, .max_rows = 23, .tile_rows = 5, .kernels = each.table};
    CHECK_FALSE(step(small_config("mal"), setting) == fp32);
    for (const std::string type : {"mal", "home"}) check_same_bits(type, setting);
  }
}

// 16 groups of tiles have partial sums: fewer tiles, as many, and more, in groups of unequal size.
TEST_CASE("any number of rows: none, one, parts of tiles, more tiles than groups", "[tiles]") {
  for (const std::string type : {"mal", "home"})
    for (const std::int64_t rows : {0, 1, 2, 3, 4, 31, 32, 33, 47, 60}) {
      INFO(type << ", " << rows << " rows");
      Setting setting{.rows = rows, .max_rows = 60};
      const Left whole = step(small_config(type), setting);
      setting.tile_rows = 2;
      setting.passes = Passes::together;
      setting.one_call = true;
      const Left tiled = step(small_config(type), setting);
      check_near(tiled, whole);
      setting.threads = 3;
      CHECK(step(small_config(type), setting) == tiled);
      setting.passes = Passes::apart;
      CHECK(step(small_config(type), setting) == tiled);
    }
}

TEST_CASE("an evaluation graph by tiles gives the logits of a training graph by tiles", "[tiles]") {
  const Setting setting{.rows = 23, .max_rows = 23, .tile_rows = 5, .threads = 2};
  const Left trained = step(small_config("mal"), setting, 1);
  const Device device = device_of(setting);
  const Schema schema = small_schema();
  Parameters parameters(3);
  Graph graph(device, 23, false);
  const Model model = build_model(graph, parameters, schema, small_config("mal"));
  graph.plan();
  const Batch batch = small_batch(schema, 23);
  bind_batch(graph, model.inputs, schema, batch);
  graph.forward(23);
  CHECK(graph.read(model.logits, 23) == trained.logits);
}

TEST_CASE("tiles take less memory than the batch, and a value that died with its tile is not read", "[tiles]") {
  const Schema schema = small_schema();
  const auto plan = [&](std::int64_t tile_rows, Passes passes) {
    Setting setting{.tile_rows = tile_rows};
    Parameters parameters(3);
    Graph graph(device_of(setting), 512, true);
    const Model model = build_model(graph, parameters, schema, small_config("mal"));
    std::vector<double> losses(model.heads.size());
    ops::multi_view_loss(graph, model.logits, model.credits, model.loss_heads, setting.reduction, losses.data());
    graph.plan(passes);
    CHECK(graph.arena_bytes() < graph.unplanned_bytes());
    return graph.arena_bytes();
  };
  CHECK(plan(64, Passes::together) < plan(0, Passes::together) / 2);
  CHECK(plan(64, Passes::together) < plan(64, Passes::apart));

  Graph graph(device_of({.tile_rows = 2}), 4, false);
  Parameters parameters(1);
  const std::vector<float> numbers = {1, 2, 3, 4};
  const Input input = graph.add_input("x");
  graph.bind(input, {nullptr, nullptr, numbers.data()});
  const Value x = ops::input_values(graph, {input}, "x");
  const Value y = ops::linear(graph, parameters, x, 2, ops::Activation::none, "y");
  const Value z = ops::linear(graph, parameters, y, 2, ops::Activation::none, "z");
  graph.keep(z);
  graph.plan();
  graph.forward(4);
  CHECK(graph.read(z, 4).size() == 8);
  CHECK_THROWS_WITH(graph.read(y, 4), Catch::Contains("y is not kept"));
}

}  // namespace mal::test::tiles

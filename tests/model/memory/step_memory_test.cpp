// A training step on the CPU allocates nothing once two have grown the threads' scratch.
#include <catch2/catch.hpp>

#include "tests/model/small_model.h"
#include "tests/support/allocations.h"
#include "tests/support/bf16_kernels.h"

namespace mal::test::step_memory {

void check_step(const std::string& type, const kernels::KernelTable* kernels) {
  INFO(type);
  ModelConfig config = small_config(type == "multi-head" ? "mal" : type);
  if (type == "multi-head") config.interaction.attention = Attention::mha;
  Device device = select_device("cpu", 1);
  device.tile_rows = 5;
  if (kernels != nullptr) device.kernels = kernels;
  const Schema schema = small_schema();
  Parameters parameters(3, [&](std::int32_t width) { return sparse_state_width(device, {}, width); });
  Graph graph(device, 23, true);
  const Model model = build_model(graph, parameters, schema, config);
  std::vector<double> losses(model.heads.size());
  ops::multi_view_loss(graph, model.logits, model.credits, model.loss_heads, ops::Reduction::mean, losses.data());
  graph.plan(Passes::together);
  const Batch batch = small_batch(schema, 23);
  bind_batch(graph, model.inputs, schema, batch);
  for (int i = 0; i < 2; ++i) graph.train(batch.rows);
  const long before = allocations;
  graph.train(batch.rows);
  CHECK(allocations - before == 0);
}

TEST_CASE("a step of every model allocates nothing", "[memory]") {
  for (const std::string type :
       {"base", "mal", "shared_bottom", "mmoe", "ple", "home", "adatt", "natal", "moae", "multi-head"})
    check_step(type, nullptr);
}

TEST_CASE("nor does a step in bf16", "[memory][bf16]") {
  for (const Bf16Kernels& each : bf16_kernels_of(kernels::cpu_variant())) {
    INFO(each.name);
    for (const std::string type : {"mal", "home"}) check_step(type, each.table);
  }
}

}  // namespace mal::test::step_memory

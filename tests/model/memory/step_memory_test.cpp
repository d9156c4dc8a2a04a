// A training step on the CPU allocates nothing once two have grown the threads' scratch.
#include <catch2/catch.hpp>

#include "tests/model/small_model.h"
#include "tests/support/allocations.h"

namespace mal::test::step_memory {

TEST_CASE("a step of every model allocates nothing", "[memory]") {
  for (const std::string type :
       {"base", "mal", "shared_bottom", "mmoe", "ple", "home", "adatt", "natal", "moae", "multi-head"}) {
    INFO(type);
    ModelConfig config = small_config(type == "multi-head" ? "mal" : type);
    if (type == "multi-head") config.interaction.attention = Attention::mha;
    Device device = select_device("cpu", 1);
    device.tile_rows = 5;
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
}

}  // namespace mal::test::step_memory

// A training step on the CPU allocates nothing once two have grown the threads' scratch.
#include <atomic>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <new>

#include "tests/model/small_model.h"

namespace {

std::atomic<long> allocations{0};

void* allocate(std::size_t size) {
  ++allocations;
  void* memory = std::malloc(size > 0 ? size : 1);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t size) {
  return allocate(size);
}
void* operator new[](std::size_t size) {
  return allocate(size);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  ++allocations;
  const auto unit = static_cast<std::size_t>(alignment);
  void* memory = std::aligned_alloc(unit, (size + unit) / unit * unit);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete[](void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  std::free(memory);
}

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

// A model whose tables grew: what it knew stays, what is new is learned.
#include <catch2/catch.hpp>
#include <cstring>

#include "engine/checkpoint.h"
#include "tests/model/small_model.h"
#include "tests/support/temporary_folder.h"

namespace mal::test {

namespace {

Schema grown_schema() {
  Schema schema = small_schema();
  for (TableSpec& table : schema.tables) table.rows += 3;
  return schema;
}

void step(SmallModel& model, Optimizer& optimizer, int steps) {
  for (int i = 0; i < steps; ++i) {
    model.run();
    optimizer.step(model.graph);
  }
}

}  // namespace

TEST_CASE("every model predicts the same of the ids that it knew before its tables grew", "[growth]") {
  const TemporaryFolder folder;
  for (const std::string& type : model_types()) {
    INFO(type);
    const ModelConfig config = small_config(type);
    SmallModel trained(config);
    Optimizer optimizer(trained.device, trained.parameters, {}, {}, {});
    step(trained, optimizer, 3);
    save_weights(folder / "weights", trained.parameters, {});

    SmallModel same(config, 6, false), grown(config, 6, false, 11, grown_schema());
    load_weights(folder / "weights", same.parameters);
    load_weights(folder / "weights", grown.parameters, Contents::weights, {.grown = true});
    grown.batch = same.batch;  // of old ids
    CHECK(grown.logits() == same.logits());
  }
}

TEST_CASE("new rows are trained, and old ones that the new data do not name stay to the bit", "[growth]") {
  const TemporaryFolder folder;
  const ModelConfig config = small_config("mal");
  SmallModel trained(config);
  Optimizer first(trained.device, trained.parameters, {}, {}, {});
  step(trained, first, 3);
  save_weights(folder / "checkpoint", trained.parameters, {}, Contents::training);

  SmallModel grown(config, 6, true, 11, grown_schema());
  Optimizer second(grown.device, grown.parameters, {}, {}, {});
  load_weights(folder / "checkpoint", grown.parameters, Contents::training, {.grown = true});
  second.resume(first.steps(), first.steps());
  const auto user = static_cast<std::size_t>(*grown.schema.find("user"));
  for (std::size_t r = 0; r < 6; ++r) grown.batch.columns[user].ids[r] = r == 0 ? 1 : 5 + static_cast<int>(r) % 2;
  const auto table_of = [](SmallModel& model) -> EmbeddingTable& {
    for (EmbeddingTable& table : model.parameters.all_tables())
      if (table.name() == "embedding/user") return table;
    throw std::runtime_error("no table");
  };
  SmallModel fresh(config, 6, true, 11, grown_schema());
  EmbeddingTable &before = table_of(trained), &now = table_of(grown);
  const EmbeddingTable& untrained = table_of(fresh);
  const auto same_row = [&](std::int64_t row, const EmbeddingTable& other) {
    return std::memcmp(now.row(row), other.row(row), now.row_bytes()) == 0;
  };
  for (std::int64_t r = 0; r < 8; ++r) CHECK(same_row(r, r < 5 ? before : untrained));
  step(grown, second, 2);
  for (const std::int64_t r : {0, 2, 3, 4}) CHECK(same_row(r, before));
  for (const std::int64_t r : {1, 5, 6}) CHECK(!same_row(r, r < 5 ? before : untrained));
  CHECK(same_row(7, untrained));
}

TEST_CASE("a schedule begins anew with new data, Adam's bias correction does not", "[growth]") {
  SmallModel model(small_config("base"));
  ScheduleConfig schedule;
  schedule.warmup_steps = 4;
  Optimizer optimizer(model.device, model.parameters, {}, {}, schedule);
  optimizer.resume(100, 100);
  const auto constants = optimizer.constants(101);
  CHECK(constants.dense.step == 101);
  CHECK(constants.sparse.step == 101);
  CHECK(constants.dense.rate == Approx(0.25 * DenseOptimizerConfig().learning_rate));
  optimizer.resume(101, 100);
  CHECK(optimizer.constants(102).dense.rate == Approx(0.5 * DenseOptimizerConfig().learning_rate));
}

}  // namespace mal::test

// A small schema with every kind of column, a random batch of it, and a recorded model that can be stepped by hand.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/graph.h"
#include "engine/ops.h"
#include "engine/optimizer.h"
#include "engine/random.h"
#include "model/batch.h"
#include "model/registry.h"

namespace mal::test {

// weighted: the rows have weights, in a last column.
inline Schema small_schema(bool weighted = false) {
  Schema schema;
  schema.name = "small";
  const auto add = [&](const std::string& name, ColumnKind kind, const std::string& table = "", int length = 1) {
    Column column;
    column.name = column.source = name;
    column.kind = kind;
    column.table = table;
    column.length = length;
    schema.columns.push_back(column);
  };
  add("user", ColumnKind::id, "user");
  add("item", ColumnKind::id, "item");
  add("tags", ColumnKind::ids, "tags", 3);
  add("item_seq", ColumnKind::sequence, "item", 4);
  add("scores", ColumnKind::scores, "", 4);
  add("price", ColumnKind::number);
  for (const char* view : {"last", "first", "linear", "mta"}) add(view, ColumnKind::credit);
  add("user_key", ColumnKind::group);
  if (weighted) add("weight", ColumnKind::weight);
  for (const char* name : {"item", "tags"})
    schema.columns[static_cast<std::size_t>(*schema.find(name))].side = Side::ad;
  schema.tables = {{"user", 5, 0, 1}, {"item", 7, 0, 1}, {"tags", 4, 0, 1}};
  return schema;
}

inline Batch small_batch(const Schema& schema, std::int64_t rows, std::uint64_t seed = 5) {
  Batch batch;
  batch.rows = rows;
  std::uint64_t counter = 0;
  const Random random(seed, "batch");
  const auto id = [&](const std::string& table) {
    const auto index = static_cast<std::size_t>(schema.table_index(table));
    return static_cast<std::int32_t>(random.below(counter++, static_cast<std::uint64_t>(schema.tables[index].rows)));
  };
  for (const Column& column : schema.columns) {
    BatchColumn& data = batch.columns.emplace_back();
    const bool ragged =
        column.kind == ColumnKind::ids || column.kind == ColumnKind::sequence || column.kind == ColumnKind::scores;
    for (std::int64_t r = 0; r < rows; ++r) {
      const auto length =
          ragged ? static_cast<int>(random.below(counter++, static_cast<std::uint64_t>(column.length) + 1)) : 1;
      if (ragged) data.lengths.push_back(length);
      for (int j = 0; j < (ragged ? column.length : 1); ++j) {
        const bool valid = j < length;
        if (!column.table.empty()) data.ids.push_back(valid ? id(column.table) : 0);
        if (column.kind == ColumnKind::scores || column.kind == ColumnKind::number)
          data.values.push_back(valid ? static_cast<float>(2 * random.uniform(counter++) - 1) : 0.0F);
        if (column.kind == ColumnKind::credit)
          data.values.push_back(random.uniform(counter++) < 0.5 ? 0.0F : static_cast<float>(random.uniform(counter++)));
        if (column.kind == ColumnKind::weight)
          data.values.push_back(std::max(0.0F, static_cast<float>(6 * random.uniform(counter++) - 2)));
        if (column.kind == ColumnKind::group)
          data.keys.push_back(static_cast<std::int64_t>(random.below(counter++, 3)));
      }
    }
  }
  return batch;
}

// Small widths, so that central differences over every parameter are quick.
inline ModelConfig small_config(const std::string& type) {
  ModelConfig config;
  config.type = type;
  config.embedding_dim = 4;
  config.embedding_init_std = 0.5;
  config.interaction.din_hidden = 3;
  config.simtier.tiers = 4;
  config.bottom = {8};
  config.tower = {6, 5};
  config.shared_bottom.layers = 2;
  config.mmoe.experts = 3;
  config.mmoe.expert = {7};
  config.ple.view_experts = 2;
  config.ple.expert = {6};
  config.home.expert = 6;
  config.home.rank = 2;
  config.adatt.expert = {6};
  config.moae.expert = {7};
  config.interaction.heads = 2;
  config.mal.aka_bottom = {8};
  config.mal.ptp = {8, 7};
  config.mal.knowledge = {7};
  config.mal.head = {6, 5};
  return config;
}

struct SmallModel {
  explicit SmallModel(const ModelConfig& config, std::int64_t rows = 6, bool training = true, std::uint64_t seed = 3,
                      const Schema& of = small_schema())
      : device(select_device("cpu", 1)),
        schema(of),
        batch(small_batch(schema, rows)),
        parameters(seed, [this](std::int32_t width) { return sparse_state_width(device, {}, width); }),
        graph(device, rows, training),
        model(build_model(graph, parameters, schema, config)) {
    losses.resize(model.heads.size());
    if (training)
      ops::multi_view_loss(graph, model.logits, model.credits, model.loss_heads, ops::Reduction::mean, losses.data());
    graph.plan();
  }

  // Σ λ_head · loss_head of the batch.
  double run() {
    bind_batch(graph, model.inputs, schema, batch);
    graph.forward(batch.rows);
    graph.backward(batch.rows);
    double total = 0;
    for (std::size_t h = 0; h < losses.size(); ++h) total += model.heads[h].scale * losses[h];
    return total;
  }

  std::vector<float> logits() {
    bind_batch(graph, model.inputs, schema, batch);
    graph.forward(batch.rows);
    const Matrix matrix = graph.matrix(model.logits);
    std::vector<float> values;
    for (std::int64_t r = 0; r < batch.rows; ++r)
      values.insert(values.end(), matrix.data + r * matrix.stride,
                    matrix.data + r * matrix.stride + graph.width(model.logits));
    return values;
  }

  Device device;
  Schema schema;
  Batch batch;
  Parameters parameters;
  Graph graph;
  Model model;
  std::vector<double> losses;
};

}  // namespace mal::test

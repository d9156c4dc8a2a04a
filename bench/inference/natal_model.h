// The network that the inference benchmark measures: MAL at the size of a public natal-size setup, random weights.
// 16 id features of width 16, 3 sequences of 20 items, 2 lists of 20 similarity scores in 32 tiers, four views and CAT.
#pragma once

#include <fmt/format.h>

#include <cmath>
#include <string>

#include "engine/device.h"
#include "engine/random.h"
#include "model/inference/export.h"
#include "model/registry.h"
#include "train/config/model_json.h"
#include "train/trainer/network.h"

namespace mal::bench {

inline constexpr std::int64_t kTableRows = 20'000;

// User and context columns come with the request, six ad columns and the scores with each ad.
inline Schema natal_schema() {
  Schema schema;
  schema.name = "natal";
  const auto add = [&](const std::string& name, ColumnKind kind, Side side, const std::string& table, int length) {
    Column column;
    column.name = column.source = name;
    column.kind = kind;
    column.side = side;
    column.table = table;
    column.length = length;
    schema.columns.push_back(column);
    if (table == name) schema.tables.push_back({name, kTableRows, 0, 1});
  };
  const auto add_ids = [&](const std::string& prefix, Side side, int count) {
    for (int i = 0; i < count; ++i) {
      const std::string name = prefix + std::to_string(i);
      add(name, ColumnKind::id, side, name, 1);
    }
  };
  add_ids("user", Side::user, 6);
  add_ids("ad", Side::ad, 6);
  add_ids("context", Side::context, 4);
  for (int i = 0; i < 3; ++i)
    add(fmt::format("ad{}_seq", i), ColumnKind::sequence, Side::user, fmt::format("ad{}", i), 20);
  for (int i = 0; i < 2; ++i) add(fmt::format("scores{}", i), ColumnKind::scores, Side::ad, "", 20);
  for (const char* view : {"last", "first", "linear", "mta"}) add(view, ColumnKind::credit, Side::context, "", 1);
  return schema;
}

inline void write_natal_model(const std::string& path, const std::string& type, WeightType weights) {
  RunConfig config;
  config.model.type = type;
  config.model.embedding_init_std = 0.3;
  const Schema schema = natal_schema();
  const Device device = select_device("cpu", 1);
  Parameters parameters(1);
  { const Network declared(device, parameters, schema, config.model, 1, false); }
  for (Parameter& parameter : parameters.all_dense()) {
    const Random random(2, parameter.name);
    std::uint64_t counter = 0;
    if (parameter.value.shape().size() < 2)
      for (float& value : parameter.value.span())
        value += 0.1F * std::abs(static_cast<float>(random.normal(counter++)));
  }
  const auto vocabulary = [](const std::string&) {
    std::vector<std::string> values;
    for (std::int64_t r = 1; r < kTableRows; ++r) values.push_back(std::to_string(1'000'000 + 37 * r));
    return values;
  };
  const auto scale = [](int) { return ExportSource::Scale{}; };
  export_model({schema, parameters, model_json(config), vocabulary, scale, {{"run", "natal size, random weights"}}},
               {weights, false}, path);
}

}  // namespace mal::bench

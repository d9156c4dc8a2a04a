#include "model/trunk.h"

#include <optional>

#include "engine/error.h"
#include "engine/ops.h"
#include "model/senet.h"

namespace mal {

namespace {

ops::Pooling pooling_of(SetPooling pooling) {
  switch (pooling) {
    case SetPooling::sum:
      return ops::Pooling::sum;
    case SetPooling::mean:
      return ops::Pooling::mean;
    case SetPooling::sqrtn:
      return ops::Pooling::sqrtn;
  }
  return ops::Pooling::sum;
}

bool is_embedded(ColumnKind kind) {
  return kind == ColumnKind::id || kind == ColumnKind::ids || kind == ColumnKind::sequence;
}

// The column whose embedding a sequence attends to: the ad's id column of the same table, or where no column with that
// table is the ad's, any id column of it. Of several the one named as the table, else the first.
std::optional<std::size_t> target_of(const Schema& schema, const Column& sequence) {
  std::optional<std::size_t> target;
  int best = -1;
  for (std::size_t c = 0; c < schema.columns.size(); ++c) {
    const Column& column = schema.columns[c];
    if (column.kind != ColumnKind::id || column.table != sequence.table) continue;
    const int rank = (column.side == Side::ad ? 2 : 0) + (column.name == sequence.table ? 1 : 0);
    if (rank <= best) continue;
    target = c;
    best = rank;
  }
  return target;
}

bool attends(const Schema& schema, const Column& column, const ModelConfig& config) {
  if (column.kind != ColumnKind::sequence) return false;
  const Attention attention = config.interaction.attention;
  return attention == Attention::mha || (attention == Attention::din && target_of(schema, column).has_value());
}

// Columns of the schema by index; invalid values for those that are not embedded.
struct Embedded {
  Value block;
  std::vector<Value> columns;
};

Embedded embed(Graph& graph, Parameters& parameters, const Schema& schema, const ModelInputs& inputs,
               const ModelConfig& config) {
  std::vector<ops::LookupSpec> specs;
  for (std::size_t c = 0; c < schema.columns.size(); ++c) {
    const Column& column = schema.columns[c];
    if (!is_embedded(column.kind)) continue;
    const TableSpec& spec = schema.tables[static_cast<std::size_t>(schema.table_index(column.table))];
    EmbeddingTable& table =
        parameters.table("embedding/" + spec.name, spec.rows, static_cast<std::int32_t>(config.embedding_dim),
                         static_cast<float>(config.embedding_init_std));
    const bool attention = attends(schema, column, config);
    const ops::Pooling pooling = column.kind == ColumnKind::id    ? ops::Pooling::none
                                 : column.kind == ColumnKind::ids ? pooling_of(column.pooling)
                                 : attention                      ? ops::Pooling::none
                                                                  : ops::Pooling::mean;
    const std::int32_t length = column.kind == ColumnKind::id ? 1 : column.length;
    specs.push_back({&table, inputs.columns[c], length, pooling, !attention});
  }
  const ops::LookupResult result = ops::embedding_lookup(graph, specs, "embedding");
  Embedded embedded{result.block, std::vector<Value>(schema.columns.size())};
  std::size_t next = 0;
  for (std::size_t c = 0; c < schema.columns.size(); ++c)
    if (is_embedded(schema.columns[c].kind)) embedded.columns[c] = result.features[next++];
  return embedded;
}

// [embeddings of every id and set of the ad's side]: what multi-head attention makes its queries of.
Value ad_block(Graph& graph, const Schema& schema, const Embedded& embedded) {
  std::vector<Value> parts;
  for (std::size_t c = 0; c < schema.columns.size(); ++c) {
    const Column& column = schema.columns[c];
    if (column.side == Side::ad && (column.kind == ColumnKind::id || column.kind == ColumnKind::ids))
      parts.push_back(embedded.columns[c]);
  }
  if (parts.empty())
    fail_usage(
        "model.interaction.attention: mha asks with the ad's embeddings, and no id column of the schema has side: ad; "
        "mark the ad's columns so, or choose din or none");
  return ops::concat(graph, parts, "ad");
}

// One vector a sequence that attends, in schema order.
std::vector<Value> build_attention(Graph& graph, Parameters& parameters, const Schema& schema,
                                   const ModelInputs& inputs, const Embedded& embedded, const ModelConfig& config) {
  std::vector<Value> outputs;
  Value ad;
  for (std::size_t c = 0; c < schema.columns.size(); ++c) {
    const Column& column = schema.columns[c];
    if (!attends(schema, column, config)) continue;
    const std::string name = "attention/" + column.name;
    if (config.interaction.attention == Attention::mha) {
      if (!ad.valid()) ad = ad_block(graph, schema, embedded);
      const Value query =
          ops::linear(graph, parameters, ad, config.embedding_dim, kernels::Activation::none, name + "/query");
      outputs.push_back(ops::multi_head_attention(graph, parameters, embedded.columns[c], query, inputs.columns[c],
                                                  config.interaction.heads, name));
    } else {
      const Value target = embedded.columns[*target_of(schema, column)];
      outputs.push_back(ops::din_attention(graph, parameters, embedded.columns[c], target, inputs.columns[c],
                                           config.interaction.din_hidden, config.interaction.softmax, name));
    }
  }
  return outputs;
}

Value build_simtier(Graph& graph, Parameters& parameters, const Column& column, Input scores,
                    const SimTierConfig& config) {
  const std::string name = "simtier/" + column.name;
  if (config.mode == SimTier::count)
    return ops::simtier_count(graph, scores, column.length, config.tiers, config.log1p, name);
  return ops::simtier_embedding(graph, parameters, scores, column.length, config.tiers, config.dim, name);
}

}  // namespace

ModelInputs add_inputs(Graph& graph, const Schema& schema) {
  ModelInputs inputs;
  for (const Column& column : schema.columns) {
    const bool read = is_embedded(column.kind) || column.kind == ColumnKind::scores ||
                      column.kind == ColumnKind::number || column.kind == ColumnKind::credit ||
                      column.kind == ColumnKind::weight;
    inputs.columns.push_back(read ? graph.add_input(column.name) : Input{});
  }
  return inputs;
}

void bind_batch(Graph& graph, const ModelInputs& inputs, const Schema& schema, const Batch& batch) {
  for (std::size_t c = 0; c < schema.columns.size(); ++c) {
    if (inputs.columns[c].id < 0) continue;
    const BatchColumn& column = batch.columns[c];
    const bool ragged = schema.columns[c].kind != ColumnKind::id && !column.lengths.empty();
    graph.bind(inputs.columns[c], {column.ids.data(), ragged ? column.lengths.data() : nullptr, column.values.data()});
  }
}

Trunk build_trunk(Graph& graph, Parameters& parameters, const Schema& schema, const ModelInputs& inputs,
                  const ModelConfig& config) {
  const Embedded embedded = embed(graph, parameters, schema, inputs, config);
  Trunk trunk;
  std::vector<Value> parts;
  if (embedded.block.valid()) parts.push_back(embedded.block);
  for (std::size_t c = 0; c < schema.columns.size(); ++c)
    if (is_embedded(schema.columns[c].kind) && !attends(schema, schema.columns[c], config))
      trunk.fields.push_back(graph.width(embedded.columns[c]));
  const auto add = [&](Value part) {
    parts.push_back(part);
    trunk.fields.push_back(graph.width(part));
  };
  for (const Value output : build_attention(graph, parameters, schema, inputs, embedded, config)) add(output);
  if (config.simtier.mode != SimTier::none)
    for (const int c : schema.columns_of(ColumnKind::scores)) {
      const auto index = static_cast<std::size_t>(c);
      add(build_simtier(graph, parameters, schema.columns[index], inputs.columns[index], config.simtier));
    }
  std::vector<Input> numbers;
  for (const int c : schema.columns_of(ColumnKind::number))
    numbers.push_back(inputs.columns[static_cast<std::size_t>(c)]);
  if (!numbers.empty()) add(ops::input_values(graph, numbers, "numbers"));
  trunk.z = ops::concat(graph, parts, "input");
  if (config.senet.enabled) trunk.z = senet(graph, parameters, trunk.z, trunk.fields, config.senet.reduction, "senet");
  if (config.layer_norm)
    trunk.z = ops::layer_norm(graph, parameters, trunk.z, static_cast<float>(config.layer_norm_eps), "input_norm");
  return trunk;
}

}  // namespace mal

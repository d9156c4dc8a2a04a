// What becomes of each column before the first layer: embeddings, attention over sequences, SimTier blocks and numbers,
// side by side in one row z, then SENet and LayerNorm. Same order as the trainer's.
#pragma once

#include "model/inference/source/plan.h"

namespace mal::infer::detail {

enum class Attention { none, din, mha };
enum class SimTier { none, count, embedding };
enum class PartKind { id, pooled, attention, simtier, number };

// A range of z and the column that it comes from.
struct Part {
  PartKind kind = PartKind::id;
  std::size_t column = 0, target = 0;  // indices of columns; target: of din
  std::size_t first = 0, width = 0;    // in z
  Pooling pooling = Pooling::sum;      // of pooled
  bool asks = false;                   // mha: one of the embeddings that the queries are made of, there from
  std::size_t query = 0;               // this column on

  bool sparse() const { return kind == PartKind::simtier; }  // most tiers of a block are empty
};

struct Trunk {
  std::size_t dim = 1;
  Attention attention = Attention::none;
  std::size_t din_hidden = 1;
  bool softmax = false;
  std::size_t heads = 1;        // mha
  std::size_t query_width = 0;  // mha: all ids and sets of the ad's side
  SimTier simtier = SimTier::none;
  std::size_t tiers = 1, tier_width = 1;
  bool log1p = false;
  bool senet = false;
  std::size_t senet_reduction = 0;  // 0: the file does not say
  bool layer_norm = false;
  float epsilon = 0;
  std::vector<Part> parts;  // in the order of z
  std::size_t width = 0;    // of z
  std::vector<Field> fields;

  bool parse(ConfigReader& model);
  bool lay_out(const Schema& schema, Problem& problem);
  std::vector<ParameterSpec> parameters(const Schema& schema) const;  // without the tables

 private:
  bool attends(const Schema& schema, const ColumnSpec& column, std::size_t& target) const;
  bool lay_out_queries(const Schema& schema, Problem& problem);
  static bool target_of(const Schema& schema, const ColumnSpec& sequence, std::size_t& target);
  void add(PartKind kind, std::size_t column, std::size_t part_width) {
    Part part;
    part.kind = kind;
    part.column = column;
    part.first = width;
    part.width = part_width;
    parts.push_back(part);
    width += part_width;
  }
};

inline bool Trunk::parse(ConfigReader& model) {
  static constexpr const char* kAttentions[] = {"none", "din", "mha"};
  static constexpr const char* kModes[] = {"none", "count", "embedding"};
  dim = static_cast<std::size_t>(model.integer("embedding_dim", 1, kMaxDim));
  ConfigReader interaction = model.section("interaction");
  attention = static_cast<Attention>(interaction.choice("attention", kAttentions));
  din_hidden = static_cast<std::size_t>(interaction.integer("din_hidden", 1, 4096));
  softmax = interaction.flag("softmax");
  if (attention == Attention::mha) {
    heads = static_cast<std::size_t>(interaction.integer("heads", 1, kMaxDim));
    if (dim % heads != 0) return interaction.fail("heads", "does not divide embedding_dim");
  }
  if (!interaction.finish()) return false;
  ConfigReader tier = model.section("simtier");
  simtier = static_cast<SimTier>(tier.choice("mode", kModes));
  tiers = static_cast<std::size_t>(tier.integer("tiers", 1, 4096));
  tier_width = simtier == SimTier::embedding ? static_cast<std::size_t>(tier.integer("dim", 1, 256)) : 1;
  if (simtier != SimTier::embedding && tier.has("dim")) tier.integer("dim", 1, 256);
  log1p = tier.flag("log1p");
  if (!tier.finish()) return false;
  if (model.has("senet")) {
    ConfigReader own = model.section("senet");
    senet = own.flag("enabled");
    senet_reduction = static_cast<std::size_t>(own.integer("reduction", 1, kMaxWidth));
    if (!own.finish()) return false;
  }
  layer_norm = model.flag("layer_norm");
  epsilon = static_cast<float>(model.number("layer_norm_eps", 1e-12, 1));
  return model.problem().ok();
}

// The ad's id column of the sequence's table, else any id column of it; of several the one named as the table, else the
// first.
inline bool Trunk::target_of(const Schema& schema, const ColumnSpec& sequence, std::size_t& target) {
  int best = -1;
  for (std::size_t c = 0; c < schema.columns.size(); ++c) {
    const ColumnSpec& column = schema.columns[c];
    if (column.kind != Kind::id || column.table != sequence.table) continue;
    const bool named = column.name == schema.tables[static_cast<std::size_t>(sequence.table)].name;
    const int rank = (column.side == Side::ad ? 2 : 0) + (named ? 1 : 0);
    if (rank <= best) continue;
    best = rank;
    target = c;
  }
  return best >= 0;
}

inline bool Trunk::attends(const Schema& schema, const ColumnSpec& column, std::size_t& target) const {
  if (column.kind != Kind::sequence || attention == Attention::none) return false;
  return attention == Attention::mha || target_of(schema, column, target);
}

// Which parts multi-head attention asks with.
inline bool Trunk::lay_out_queries(const Schema& schema, Problem& problem) {
  for (Part& part : parts) {
    const ColumnSpec& column = schema.columns[part.column];
    if (column.side != Side::ad || (column.kind != Kind::id && column.kind != Kind::ids)) continue;
    part.asks = true;
    part.query = query_width;
    query_width += part.width;
  }
  return query_width > 0 || problem.fail("schema: no id column of the ad's side is there for attention to ask with");
}

inline bool Trunk::lay_out(const Schema& schema, Problem& problem) {
  if (schema.id_cells * dim > kMaxFloats) return problem.fail("schema: the sequences are absurdly long");
  std::size_t target = 0;
  const std::vector<ColumnSpec>& columns = schema.columns;
  for (std::size_t c = 0; c < columns.size(); ++c) {
    if (!columns[c].embedded() || attends(schema, columns[c], target)) continue;
    add(columns[c].kind == Kind::id ? PartKind::id : PartKind::pooled, c, dim);
    parts.back().pooling = columns[c].kind == Kind::sequence ? Pooling::mean : columns[c].pooling;
  }
  for (std::size_t c = 0; c < columns.size(); ++c)
    if (attends(schema, columns[c], target)) {
      add(PartKind::attention, c, dim);
      parts.back().target = target;
    }
  const bool asks = attention == Attention::mha && !parts.empty() && parts.back().kind == PartKind::attention;
  if (asks && !lay_out_queries(schema, problem)) return false;
  if (simtier != SimTier::none)
    for (std::size_t c = 0; c < columns.size(); ++c)
      if (columns[c].kind == Kind::scores) add(PartKind::simtier, c, tiers * tier_width);
  for (const Part& part : parts) fields.push_back({part.first, part.width});
  const std::size_t numbers = width;
  for (std::size_t c = 0; c < columns.size(); ++c)
    if (columns[c].kind == Kind::number) add(PartKind::number, c, columns[c].width());
  if (width > numbers) fields.push_back({numbers, width - numbers});
  if (width == 0 || width > kMaxFloats / 4) return problem.fail("schema: the input is empty or absurdly wide");
  return true;
}

inline std::vector<ParameterSpec> Trunk::parameters(const Schema& schema) const {
  std::vector<ParameterSpec> list;
  const std::uint64_t d = dim, h = din_hidden;
  for (const Part& part : parts) {
    const std::string& column = schema.columns[part.column].name;
    const std::string name = "attention/" + column;
    if (part.kind == PartKind::attention && attention == Attention::mha) {
      list.push_back({name + "/query/weight", {query_width, d}});
      list.push_back({name + "/query/bias", {d}});
      for (const char* matrix : {"/key/weight", "/value/weight", "/output/weight"})
        list.push_back({name + matrix, {d, d}});
      for (const char* bias : {"/value/bias", "/output/bias"}) list.push_back({name + bias, {d}});
    } else if (part.kind == PartKind::attention) {
      list.push_back({name + "/w1", {4 * d, h}});
      list.push_back({name + "/b1", {h}});
      list.push_back({name + "/alpha", {h}});
      list.push_back({name + "/w2", {h, 1}});
      list.push_back({name + "/b2", {1}});
    }
    if (part.kind == PartKind::simtier && simtier == SimTier::embedding)
      list.push_back({"simtier/" + column + "/tiers", {tiers, tier_width}});
  }
  if (layer_norm)
    for (const char* name : {"input_norm/gamma", "input_norm/beta"}) list.push_back({name, {width}});
  return list;
}

}  // namespace mal::infer::detail

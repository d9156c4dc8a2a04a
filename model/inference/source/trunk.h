// What becomes of each column before the first layer: embeddings, target attention over sequences, SimTier blocks and
// numbers, side by side in one row z, then LayerNorm. Same order as the trainer's.
#pragma once

#include "model/inference/source/plan.h"

namespace mal::infer::detail {

enum class Attention { none, din };
enum class SimTier { none, count, embedding };
enum class PartKind { id, pooled, attention, simtier, number };

// A range of z and the column that it comes from.
struct Part {
  PartKind kind = PartKind::id;
  std::size_t column = 0, target = 0;  // indices of columns; target: of attention
  std::size_t first = 0, width = 0;    // in z
  Pooling pooling = Pooling::sum;      // of pooled
};

struct Trunk {
  std::size_t dim = 1;
  Attention attention = Attention::none;
  std::size_t din_hidden = 1;
  bool softmax = false;
  SimTier simtier = SimTier::none;
  std::size_t tiers = 1, tier_width = 1;
  bool log1p = false;
  bool layer_norm = false;
  float epsilon = 0;
  std::vector<Part> parts;  // in the order of z
  std::size_t width = 0;    // of z
  std::vector<Field> fields;

  bool parse(ConfigReader& model);
  bool lay_out(const Schema& schema, Problem& problem);
  std::vector<ParameterSpec> parameters(const Schema& schema) const;  // without the tables

 private:
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
  static constexpr const char* kAttentions[] = {"none", "din"};
  static constexpr const char* kModes[] = {"none", "count", "embedding"};
  dim = static_cast<std::size_t>(model.integer("embedding_dim", 1, kMaxDim));
  ConfigReader interaction = model.section("interaction");
  attention = static_cast<Attention>(interaction.choice("attention", kAttentions));
  din_hidden = static_cast<std::size_t>(interaction.integer("din_hidden", 1, 4096));
  softmax = interaction.flag("softmax");
  if (!interaction.finish()) return false;
  ConfigReader tier = model.section("simtier");
  simtier = static_cast<SimTier>(tier.choice("mode", kModes));
  tiers = static_cast<std::size_t>(tier.integer("tiers", 1, 4096));
  tier_width = simtier == SimTier::embedding ? static_cast<std::size_t>(tier.integer("dim", 1, 256)) : 1;
  if (simtier != SimTier::embedding && tier.has("dim")) tier.integer("dim", 1, 256);
  log1p = tier.flag("log1p");
  if (!tier.finish()) return false;
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

inline bool Trunk::lay_out(const Schema& schema, Problem& problem) {
  if (schema.id_cells * dim > kMaxFloats) return problem.fail("schema: the sequences are absurdly long");
  std::size_t target = 0;
  const auto attends = [&](const ColumnSpec& column) {
    return attention == Attention::din && column.kind == Kind::sequence && target_of(schema, column, target);
  };
  const std::vector<ColumnSpec>& columns = schema.columns;
  for (std::size_t c = 0; c < columns.size(); ++c) {
    if (!columns[c].embedded() || attends(columns[c])) continue;
    add(columns[c].kind == Kind::id ? PartKind::id : PartKind::pooled, c, dim);
    parts.back().pooling = columns[c].kind == Kind::sequence ? Pooling::mean : columns[c].pooling;
  }
  for (std::size_t c = 0; c < columns.size(); ++c)
    if (attends(columns[c])) {
      add(PartKind::attention, c, dim);
      parts.back().target = target;
    }
  if (simtier != SimTier::none)
    for (std::size_t c = 0; c < columns.size(); ++c)
      if (columns[c].kind == Kind::scores) add(PartKind::simtier, c, tiers * tier_width);
  for (const Part& part : parts) fields.push_back({part.first, part.width});
  const std::size_t numbers = width;
  for (std::size_t c = 0; c < columns.size(); ++c)
    if (columns[c].kind == Kind::number) add(PartKind::number, c, 1);
  if (width > numbers) fields.push_back({numbers, width - numbers});
  if (width == 0 || width > kMaxFloats / 4) return problem.fail("schema: the input is empty or absurdly wide");
  return true;
}

inline std::vector<ParameterSpec> Trunk::parameters(const Schema& schema) const {
  std::vector<ParameterSpec> list;
  const std::uint64_t d = dim, h = din_hidden;
  for (const Part& part : parts) {
    const std::string& column = schema.columns[part.column].name;
    if (part.kind == PartKind::attention) {
      const std::string name = "attention/" + column;
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

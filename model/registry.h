// From a configuration to a recorded network. Adding a model: one file in model/zoo, one line in registry.cpp.
#pragma once

#include <string>
#include <vector>

#include "engine/graph.h"
#include "engine/ops.h"
#include "engine/parameters.h"
#include "model/model_config.h"
#include "model/schema.h"
#include "model/trunk.h"

namespace mal {

// What a file of the zoo gets, and what it gives back: the groups of logits with the loss of each.
struct ZooContext {
  Graph& graph;
  Parameters& parameters;
  const ModelConfig& config;
  std::vector<std::string> views;    // every view of the dataset, in its order
  int primary;                       // index into views
  Value z;                           // the trunk
  std::vector<std::int64_t> fields;  // widths of the parts of z

  double view_weight(std::size_t view) const { return config.view_weights.empty() ? 1.0 : config.view_weights[view]; }
};
struct Head {
  std::string name;  // "primary", "view/first", "aka/last", "aka/cat"
  Value logits;      // [rows, 1], or [rows, 2^N] for a cartesian head
  ops::HeadKind kind;
  std::vector<int> labels;  // indices into ZooContext::views
  double scale;             // λ
};

struct Model {
  ModelInputs inputs;
  Value z;
  Value logits;             // [rows, Σ head widths]; column 0 is the primary view's logit: the one that is served
  Value credits;            // [rows, views]; only in a training graph
  Value weights;            // [rows, 1]; likewise, of data with a column of kind weight
  std::vector<Head> heads;  // heads[0] is the primary
  std::vector<ops::LossHead> loss_heads;
};

// Records the network of `config.type` for data of `schema`. Throws Error (exit code 2) for an unknown type or view.
Model build_model(Graph& graph, Parameters& parameters, const Schema& schema, const ModelConfig& config);

std::vector<std::string> model_types();
std::vector<std::string> aka_types();  // of model.mal.aka

// The index of a view; throws Error that names the configuration key and the views there are.
int find_view(const std::vector<std::string>& views, const std::string& view, const std::string& key);

}  // namespace mal

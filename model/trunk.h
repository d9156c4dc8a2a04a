// The input side that every model shares: embeddings, target attention, SimTier, numbers, layer norm (MODELS.md §2).
#pragma once

#include <vector>

#include "engine/graph.h"
#include "engine/parameters.h"
#include "model/batch.h"
#include "model/model_config.h"
#include "model/schema.h"

namespace mal {

// The graph's inputs, one a schema column; invalid where the model does not read the column.
struct ModelInputs {
  std::vector<Input> columns;
};

ModelInputs add_inputs(Graph& graph, const Schema& schema);
void bind_batch(Graph& graph, const ModelInputs& inputs, const Schema& schema, const Batch& batch);

struct Trunk {
  Value z;                           // [rows, Σ fields]
  std::vector<std::int64_t> fields;  // widths of its parts in order: each feature, attention output and SimTier block,
                                     // and all numbers together
};

// z = LayerNorm(SENet([embeddings; attention outputs; SimTier; numbers])), either of the two as configured.
// With `attention: din` a sequence attends to the ad's id column of the same table (where no such column is the ad's,
// to any id column of it); one without such a column, and every sequence with `attention: none`, is averaged. With
// `mha` every sequence attends, and the query is made of all ids of the ad's side.
Trunk build_trunk(Graph& graph, Parameters& parameters, const Schema& schema, const ModelInputs& inputs,
                  const ModelConfig& config);

}  // namespace mal

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

// z = LayerNorm([embeddings; attention outputs; SimTier; numbers]) → [rows, width]
// A sequence attends to the ad's id column of the same table (where no such column is the ad's, to any id column of
// it). A sequence without such a column, and every sequence with `attention: none`, is averaged.
Value build_trunk(Graph& graph, Parameters& parameters, const Schema& schema, const ModelInputs& inputs,
                  const ModelConfig& config);

}  // namespace mal

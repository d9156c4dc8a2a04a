// The vocabulary of the engine: every op that a model can record, on one page. Each checks shapes, makes its output,
// and knows which kernels to call; the arithmetic is in kernels/.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/graph.h"
#include "kernels/kernels.h"

namespace mal::ops {

using kernels::Activation;
using kernels::HeadKind;
using kernels::LossHead;
using kernels::Pooling;
using kernels::Reduction;

// One feature of the fused embedding lookup.
struct LookupSpec {
  EmbeddingTable* table;
  Input input;  // ids[rows, length] and, for sets and sequences, lengths[rows]
  std::int32_t length = 1;
  Pooling pooling = Pooling::none;
  bool side_by_side = true;  // put beside the others in the result's `block`; false: a value of its own
};
struct LookupResult {
  Value block;                  // all side-by-side features, in order; invalid if there are none
  std::vector<Value> features;  // one a spec: [rows, d], or [rows, length · d] for a sequence
};
// All features of the model in one call; in training also the sparse gradient of every table.
LookupResult embedding_lookup(Graph& graph, const std::vector<LookupSpec>& specs, const std::string& name);

// Columns of the batch as they are, [rows, Σ lengths]; no gradient.
Value input_values(Graph& graph, const std::vector<Input>& inputs, const std::string& name);

Value slice(Graph& graph, Value x, std::int64_t first_column, std::int64_t width);
Value concat(Graph& graph, const std::vector<Value>& parts, const std::string& name);
Value add(Graph& graph, Value a, Value b, const std::string& name);
Value detach(Graph& graph, Value x);  // the same numbers; no gradient flows back

// act(x w + b); w[K, N] and b[N] are created as NAME/weight and NAME/bias (Xavier uniform, zeros).
Value linear(Graph& graph, Parameters& parameters, Value x, std::int64_t outputs, Activation activation,
             const std::string& name);

// x w, without bias or activation; parameter NAME/weight [K, N].
Value projection(Graph& graph, Parameters& parameters, Value x, std::int64_t outputs, const std::string& name);

// act(x) by itself, where it follows a sum.
Value activate(Graph& graph, Value x, Activation activation, const std::string& name);

Value layer_norm(Graph& graph, Parameters& parameters, Value x, float epsilon, const std::string& name);

// swish(BN(x)), swish(n) = n σ(n). Parameters NAME/gamma, NAME/beta; running statistics NAME/mean, NAME/variance move
// at Graph::commit() by `momentum`, and are what an evaluation graph reads.
Value batch_norm_swish(Graph& graph, Parameters& parameters, Value x, float momentum, float epsilon,
                       const std::string& name);

// x ⊙ 2σ((x A) Bᵀ). Parameters NAME/feature_gate_a [K, r] (Xavier), NAME/feature_gate_b [K, r] (zeros: begins as x).
Value feature_gate(Graph& graph, Parameters& parameters, Value x, std::int64_t rank, const std::string& name);

// Over fields of x, side by side, of the given widths: their means [rows, F], and each times 2σ(its logit).
Value field_mean(Graph& graph, Value x, const std::vector<std::int64_t>& widths, const std::string& name);
Value field_scale(Graph& graph, Value x, Value logits, const std::vector<std::int64_t>& widths,
                  const std::string& name);

// Parameters NAME/w1 [4d, h], NAME/b1 [h], NAME/alpha [h] (0.25), NAME/w2 [h, 1], NAME/b2 [1].
// sequence[rows, L·d] target[rows, d] → [rows, d]
Value din_attention(Graph& graph, Parameters& parameters, Value sequence, Value target, Input lengths,
                    std::int64_t hidden, bool softmax, const std::string& name);

// One query a row, sequence[rows, L·d] → [rows, d]; zeros for an empty one. Parameters NAME/key/weight [d, d],
// NAME/value/weight, NAME/value/bias, NAME/output/weight, NAME/output/bias.
Value multi_head_attention(Graph& graph, Parameters& parameters, Value sequence, Value query, Input lengths,
                           std::int64_t heads, const std::string& name);

// A gate of a layer of experts: its logits are a value [rows, experts.size()], or (constant) a parameter of that size.
struct GateSpec {
  kernels::GateKind kind = kernels::GateKind::softmax;
  std::size_t output = 0;             // index into the layer's outputs
  std::vector<std::int32_t> experts;  // indices into the layer's experts
  Value logits;
  Parameter* constant = nullptr;
};
// One layer of gated experts: as many values as `outputs` has names, each the sum of its gates' weighted experts.
std::vector<Value> mixture(Graph& graph, const std::vector<Value>& experts, const std::vector<GateSpec>& gates,
                           const std::vector<std::string>& outputs, const std::string& name);

// scores[rows, L] of `scores` → [rows, T]
Value simtier_count(Graph& graph, Input scores, std::int64_t length, std::int64_t tiers, bool log1p,
                    const std::string& name);
// Parameter NAME/tiers [T, q], Xavier uniform. → [rows, T·q]
Value simtier_embedding(Graph& graph, Parameters& parameters, Input scores, std::int64_t length, std::int64_t tiers,
                        std::int64_t width, const std::string& name);

struct RowWeights {
  Value value = {};  // [rows, 1]
  double mean = 1;
};

// Ends a training graph. losses: one a head, without its scale, filled by every backward(); in the device's memory, and
// must outlive the graph.
// weights: of the rows, with their mean over the training data; without a value, all are 1.
// only: where it is not null and not negative, gradients are of that head's loss alone; it too must outlive the graph.
void multi_view_loss(Graph& graph, Value logits, Value credits, std::vector<LossHead> heads, Reduction reduction,
                     double* losses, const std::int32_t* only = nullptr, const RowWeights& weights = {});

}  // namespace mal::ops

// Every kernel's signature, once. A device fills one KernelTable with its own functions of these names; nothing above
// this floor ever calls a kernel except through that table.
//
// Conventions
//   B rows of a batch, K inputs and N outputs of a layer, d embedding width, L positions, T tiers, H heads, V views.
//   Matrices are row-major fp32 with a row stride in floats ("ldx"), so that a layer can read and write a slice of a
//   wider matrix. Parameters are contiguous. Nothing here allocates: `workspace` holds at least the floats that the
//   function of the same name with `_workspace` returns (0: may be null).
//   `accumulate`: add to the gradient that is there already; otherwise overwrite it.
//   Sums over rows have a fixed tree (blocks of kRowBlock rows, added in order), never one that depends on the number
//   of threads: the result is the same bits for any number of them. B = 0 is valid everywhere and does nothing
//   (parameter gradients are then zero).
#pragma once

#include <cstdint>

namespace mal::kernels {

inline constexpr std::int64_t kRowBlock = 128;

// ---- embedding: cpu/embedding.cpp ---------------------------------------------------------------------------------

enum class Pooling : std::int32_t { none, sum, mean, sqrtn };  // none: a single id or a sequence, every position kept

// One feature's part of the fused lookup. Ids are rows of its table: in [0, table rows), checked when data is loaded.
struct Lookup {
  const float* table;  // row r begins at table + r · row_stride; its first `width` floats are the weights
  std::int64_t row_stride;
  const std::int32_t* ids;      // [B, length]
  const std::int32_t* lengths;  // [B] valid positions of each row, from 0; null: all `length` are valid
  std::int32_t length;
  std::int32_t width;  // d
  Pooling pooling;
  float* out;  // pooled: [B, d]; none: [B, length · d], positions beyond the row's length are zeros
  std::int64_t out_stride;
};

// All features of a batch in one call. A pooled empty set gives zeros; mean divides by n, sqrtn by √n.
void embedding_forward(const Lookup* lookups, std::int32_t count, std::int64_t rows);

// One feature's part of the backward pass: the gradient of what Lookup::out was.
struct LookupGradient {
  const std::int32_t* ids;
  const std::int32_t* lengths;
  std::int32_t length;
  Pooling pooling;
  const float* dout;
  std::int64_t dout_stride;
};

// One table's gradient as a sparse matrix: the touched rows in rising order, each with the sum over its occurrences
// (summed in order of feature, sample, position).
struct TableGradient {
  const LookupGradient* lookups;
  std::int32_t lookup_count;
  std::int32_t width;  // d
  std::int64_t table_rows;
  std::int32_t* rows;         // out [capacity]; capacity = Σ over lookups of B · length
  float* values;              // out [capacity, d]
  std::int64_t count;         // out: how many rows were touched
  std::uint64_t* sort_space;  // [2 · capacity]
};

// Sort-based: (row, occurrence) pairs are sorted by row, equal rows form a segment, segments are summed. No atomics.
void embedding_backward(TableGradient* tables, std::int32_t count, std::int64_t rows);

// ---- linear: cpu/linear.cpp ---------------------------------------------------------------------------------------

enum class Activation : std::int32_t { none, relu };

// y = act(x w + b).  x[B,K] w[K,N] b[N] → y[B,N]. b may be null: no bias.
void linear_forward(const float* x, std::int64_t ldx, const float* w, const float* b, float* y, std::int64_t ldy,
                    std::int64_t rows, std::int64_t inputs, std::int64_t outputs, Activation activation);

// dy is the gradient of y; it is overwritten by the gradient of x w + b. dx may be null (nobody needs it).
// dw[K,N] = xᵀ dy, db[N] = Σ_rows dy: overwritten.  dx[B,K] = dy wᵀ. db is null where there is no bias.
void linear_backward(const float* x, std::int64_t ldx, const float* w, const float* y, std::int64_t ldy, float* dy,
                     std::int64_t lddy, float* dx, std::int64_t lddx, bool accumulate, float* dw, float* db,
                     std::int64_t rows, std::int64_t inputs, std::int64_t outputs, Activation activation,
                     float* workspace);
std::int64_t linear_backward_workspace(std::int64_t rows, std::int64_t inputs, std::int64_t outputs);

// ---- norm: cpu/norm.cpp -------------------------------------------------------------------------------------------

// y = (x − mean) / √(var + eps) · gamma + beta over each row (var: biased).  x[B,N] → y[B,N], mean[B], rstd[B]
void layer_norm_forward(const float* x, std::int64_t ldx, const float* gamma, const float* beta, float* y,
                        std::int64_t ldy, float* mean, float* rstd, std::int64_t rows, std::int64_t width, float eps);
void layer_norm_backward(const float* x, std::int64_t ldx, const float* gamma, const float* mean, const float* rstd,
                         const float* dy, std::int64_t lddy, float* dx, std::int64_t lddx, bool accumulate,
                         float* dgamma, float* dbeta, std::int64_t rows, std::int64_t width, float* workspace);
std::int64_t layer_norm_backward_workspace(std::int64_t rows, std::int64_t width);

// Batch norm with the swish that follows it in HoME's experts (cpu/batch_norm.cpp):
//   n = (x − mean) / √(variance + eps) · gamma + beta,  y = n σ(n)
// over each column's batch statistics in training (torch.nn.BatchNorm1d), its running ones in evaluation.

// mean[N], variance[N] (biased) of the columns of x[B,N]; zeros where B = 0.
void batch_norm_statistics(const float* x, std::int64_t ldx, float* mean, float* variance, std::int64_t rows,
                           std::int64_t width, double* workspace);
std::int64_t batch_norm_statistics_workspace(std::int64_t rows, std::int64_t width);  // in doubles
void batch_norm_swish_forward(const float* x, std::int64_t ldx, const float* gamma, const float* beta,
                              const float* mean, const float* variance, float* y, std::int64_t ldy, std::int64_t rows,
                              std::int64_t width, float eps);
// Of training: through the statistics too. dy is overwritten by the gradient of n. dx may be null.
void batch_norm_swish_backward(const float* x, std::int64_t ldx, const float* gamma, const float* beta,
                               const float* mean, const float* variance, float* dy, std::int64_t lddy, float* dx,
                               std::int64_t lddx, bool accumulate, float* dgamma, float* dbeta, std::int64_t rows,
                               std::int64_t width, float eps, double* workspace);
std::int64_t batch_norm_swish_backward_workspace(std::int64_t rows, std::int64_t width);  // in doubles
// running ← (1 − momentum) running + momentum · batch's, the variance unbiased (· B / (B − 1)); of one row only the
// mean moves, of none nothing.
void batch_norm_update(const float* mean, const float* variance, float* running_mean, float* running_variance,
                       std::int64_t rows, std::int64_t width, float momentum);

// ---- attention: cpu/attention.cpp ---------------------------------------------------------------------------------

// Deep Interest Network (Zhou et al., KDD'18): score_j = w2 · PReLU([e_j; t; e_j − t; e_j ⊙ t] w1 + b1) + b2,
// output Σ_j score_j e_j over the valid positions; with `softmax` the scores are softmaxed over them first.
struct DinShape {
  std::int64_t rows, length, width, hidden;  // B, L, d, h
  bool softmax;
};
struct DinParameters {
  const float* w1;     // [4d, h], row blocks in the order e, t, e − t, e ⊙ t
  const float* b1;     // [h]
  const float* alpha;  // [h] PReLU's slope below 0
  const float* w2;     // [h]
  const float* b2;     // [1]
};
struct DinGradients {
  float *w1, *b1, *alpha, *w2, *b2;  // overwritten
};

// sequence[B, L·d] target[B, d] lengths[B] → out[B, d], scores[B, L] (after softmax if any; 0 beyond the length)
void din_forward(const DinShape& shape, const DinParameters& parameters, const float* sequence, std::int64_t ldsequence,
                 const float* target, std::int64_t ldtarget, const std::int32_t* lengths, float* out,
                 std::int64_t ldout, float* scores);
// dsequence and dtarget are gradients of sequence and target; dtarget may be null (nobody needs it). Beyond the length
// dsequence gets 0 (or is left as it is when accumulating). Hidden activations are recomputed.
void din_backward(const DinShape& shape, const DinParameters& parameters, const float* sequence,
                  std::int64_t ldsequence, const float* target, std::int64_t ldtarget, const std::int32_t* lengths,
                  const float* scores, const float* dout, std::int64_t lddout, float* dsequence,
                  std::int64_t lddsequence, bool accumulate_sequence, float* dtarget, std::int64_t lddtarget,
                  bool accumulate_target, const DinGradients& gradients, float* workspace);
std::int64_t din_backward_workspace(const DinShape& shape);

// Multi-head attention with one query a row (cpu/multi_head.cpp). Of a head's columns h, with s = 1/√(d/H):
//   p_j = softmax over the valid positions of s (e_j K_h) · q_h;  o_h = Σ_j p_j (e_j V_h + v_h);  out = o W + w
// A key bias would cancel in the softmax, so there is none. A row of length 0 gives zeros.
struct MultiHeadShape {
  std::int64_t rows, length, width, heads;  // B, L, d, H; d is a multiple of H
};
struct MultiHeadParameters {
  const float *key, *value, *value_bias, *output, *output_bias;  // K[d,d] V[d,d] v[d] W[d,d] w[d]
};
struct MultiHeadGradients {
  float *key, *value, *value_bias, *output, *output_bias;  // overwritten
};

// query[B, d] sequence[B, L·d] lengths[B] → out[B, d], probabilities[B, H·L] (contiguous; 0 beyond the length)
void multi_head_forward(const MultiHeadShape& shape, const MultiHeadParameters& parameters, const float* query,
                        std::int64_t ldquery, const float* sequence, std::int64_t ldsequence,
                        const std::int32_t* lengths, float* out, std::int64_t ldout, float* probabilities);
// Beyond the length dsequence gets 0, or is left as it is when accumulating.
void multi_head_backward(const MultiHeadShape& shape, const MultiHeadParameters& parameters, const float* query,
                         std::int64_t ldquery, const float* sequence, std::int64_t ldsequence,
                         const std::int32_t* lengths, const float* probabilities, const float* dout,
                         std::int64_t lddout, float* dquery, std::int64_t lddquery, bool accumulate_query,
                         float* dsequence, std::int64_t lddsequence, bool accumulate_sequence,
                         const MultiHeadGradients& gradients, float* workspace);
std::int64_t multi_head_backward_workspace(const MultiHeadShape& shape);

// ---- gate: cpu/gate.cpp -------------------------------------------------------------------------------------------

// A matrix [B, N] that is read, and the gradient of one that is written (data null: nobody needs it).
struct MixtureInput {
  const float* data;
  std::int64_t stride;
};
struct MixtureOutput {
  float* data;
  std::int64_t stride;
};
struct MixtureGradient {
  float* data;
  std::int64_t stride;
  bool accumulate;
};

// One weight for each of some experts, added up in one output. softmax and sigmoid are of the row's logits; constant
// has the same weights in every row: `logits` is a parameter [count], its gradient is summed over rows and overwritten.
enum class GateKind : std::int32_t { softmax, sigmoid, constant };
struct Gate {
  GateKind kind;
  std::int32_t output;
  std::int32_t count;
  const std::int32_t* experts;  // [count], distinct
  const float* logits;          // [B, count]
  std::int64_t ldlogits;
};
struct Mixture {
  const Gate* gates;
  std::int32_t gate_count, expert_count, output_count;
  std::int64_t rows, width;
};

// Every output of a layer of experts in one call (MMoE, PLE, AdaTT, HoME):
//   y_o = Σ over gates of output o, Σ_k g_k x_experts[k].  x_e[B,N] → y_o[B,N]
// weights[B, Σ count]: every gate's g, side by side in their order, for the backward pass.
void mixture_forward(const Mixture& mixture, const MixtureInput* experts, const MixtureOutput* outputs, float* weights,
                     std::int64_t ldweights);
// dexperts one an expert, dlogits one a gate.
void mixture_backward(const Mixture& mixture, const MixtureInput* experts, const float* weights, std::int64_t ldweights,
                      const MixtureInput* doutputs, const MixtureGradient* dexperts, const MixtureGradient* dlogits,
                      float* workspace);
std::int64_t mixture_backward_workspace(const Mixture& mixture);

// HoME's low-rank feature gate: u = x ⊙ 2σ((x A) Bᵀ).  x[B,K] a[K,r] b[K,r] → u[B,K], hidden[B,r] = x A (contiguous)
void feature_gate_forward(const float* x, std::int64_t ldx, const float* a, const float* b, float* u, std::int64_t ldu,
                          float* hidden, std::int64_t rows, std::int64_t width, std::int64_t rank);
// dx may be null. da[K,r], db[K,r] are overwritten.
void feature_gate_backward(const float* x, std::int64_t ldx, const float* a, const float* b, const float* hidden,
                           const float* du, std::int64_t lddu, float* dx, std::int64_t lddx, bool accumulate, float* da,
                           float* db, std::int64_t rows, std::int64_t width, std::int64_t rank, float* workspace);
std::int64_t feature_gate_backward_workspace(std::int64_t rows, std::int64_t width, std::int64_t rank);

// ---- fields: cpu/fields.cpp ---------------------------------------------------------------------------------------

// SENet over the fields of x: field f is the columns from offsets[f] to offsets[f + 1], of F + 1 offsets.
// Squeeze: x[B,N] → mean[B,F], the mean of each field. Backward: dmean → dx.
void field_mean_forward(const float* x, std::int64_t ldx, const std::int32_t* offsets, std::int64_t fields, float* mean,
                        std::int64_t ldmean, std::int64_t rows);
void field_mean_backward(const float* dmean, std::int64_t lddmean, const std::int32_t* offsets, std::int64_t fields,
                         float* dx, std::int64_t lddx, bool accumulate, std::int64_t rows);
// Scale: y = x · 2σ(logit of its field).  x[B,N] logits[B,F] → y[B,N]. Backward: either gradient may be null.
void field_scale_forward(const float* x, std::int64_t ldx, const float* logits, std::int64_t ldlogits,
                         const std::int32_t* offsets, std::int64_t fields, float* y, std::int64_t ldy,
                         std::int64_t rows);
void field_scale_backward(const float* x, std::int64_t ldx, const float* logits, std::int64_t ldlogits,
                          const std::int32_t* offsets, std::int64_t fields, const float* dy, std::int64_t lddy,
                          float* dx, std::int64_t lddx, bool accumulate_x, float* dlogits, std::int64_t lddlogits,
                          bool accumulate_logits, std::int64_t rows);

// ---- simtier: cpu/simtier.cpp -------------------------------------------------------------------------------------

// SimTier (Sheng et al., CIKM'24). Tier of a score s: min(T − 1, ⌊(clamp(s, −1, 1) + 1) · T / 2⌋) in fp32.
// lengths may be null: all L positions are valid.
// counts: scores[B, L] lengths[B] → out[B, T], n_t or log(1 + n_t)
void simtier_count_forward(const float* scores, std::int64_t length, const std::int32_t* lengths, float* out,
                           std::int64_t ldout, std::int64_t rows, std::int64_t tiers, bool log1p);
// embedding: table[T, q] → out[B, T·q], out_t = log2(1 + n_t) · table_t
void simtier_embedding_forward(const float* scores, std::int64_t length, const std::int32_t* lengths,
                               const float* table, float* out, std::int64_t ldout, std::int64_t rows,
                               std::int64_t tiers, std::int64_t width);
void simtier_embedding_backward(const float* scores, std::int64_t length, const std::int32_t* lengths,
                                const float* dout, std::int64_t lddout, float* dtable, std::int64_t rows,
                                std::int64_t tiers, std::int64_t width, float* workspace);
std::int64_t simtier_embedding_backward_workspace(std::int64_t rows, std::int64_t tiers, std::int64_t width);

// ---- loss: cpu/loss.cpp -------------------------------------------------------------------------------------------

enum class HeadKind : std::int32_t { view, cartesian };
enum class Reduction : std::int32_t { mean, sum, weight_mean };

// A head is a group of columns of the logit block with one loss.
//   view: one logit ŷ; label l = 1 if c > 0 with weight w = c, else l = 0 with w = 1; w · BCE(σ(ŷ), l)  (MAL Eq. 1)
//   cartesian: 2^V logits; class Σ_k l_k 2^k over the head's views; softmax cross-entropy, weight 1 (MAL Alg. 1, §3.5)
// divided by B (mean), by 1 (sum), or by Σ w (weight_mean), times `scale` (λ).
struct LossHead {
  HeadKind kind;
  std::int32_t column;      // first column in the logit block
  std::int32_t view_count;  // 1 for a view
  std::int32_t views[12];   // columns of the credit block
  float scale;
};

// logits[B, columns] credits[B, V] → dlogits[B, columns] (gradient of Σ_heads scale · loss), losses[heads] (each
// without its scale). Value and gradient in one pass over the block, from logits in log-sum-exp / softplus form.
// Columns of no head get gradient 0. Sums in fp64.
void multi_view_loss(const float* logits, std::int64_t ldlogits, const float* credits, std::int64_t ldcredits,
                     const LossHead* heads, std::int32_t head_count, Reduction reduction, float* dlogits,
                     std::int64_t lddlogits, std::int64_t columns, double* losses, std::int64_t rows,
                     double* workspace);
std::int64_t multi_view_loss_workspace(std::int64_t rows, std::int32_t head_count);  // in doubles

// ---- element-wise and reductions: cpu/elementwise.cpp ---------------------------------------------------------------

// y = a + b.  a[B,N] b[B,N] → y[B,N]
void add_forward(const float* a, std::int64_t lda, const float* b, std::int64_t ldb, float* y, std::int64_t ldy,
                 std::int64_t rows, std::int64_t width);
// y = act(x), and dx = dy act'(x), for an activation that stands alone.  x[B,N] → y[B,N]
void activation_forward(const float* x, std::int64_t ldx, float* y, std::int64_t ldy, std::int64_t rows,
                        std::int64_t width, Activation activation);
void activation_backward(const float* y, std::int64_t ldy, const float* dy, std::int64_t lddy, float* dx,
                         std::int64_t lddx, bool accumulate, std::int64_t rows, std::int64_t width,
                         Activation activation);
// y = x, or y += x
void copy(const float* x, std::int64_t ldx, float* y, std::int64_t ldy, std::int64_t rows, std::int64_t width,
          bool accumulate);
void fill(float* x, std::int64_t ldx, std::int64_t rows, std::int64_t width, float value);
// Σ x² over several arrays, in fp64 with a fixed tree (blocks of 4096 elements); NaN or ∞ anywhere shows in the result.
struct Span {
  const float* data;
  std::int64_t size;
};
double sum_of_squares(const Span* spans, std::int32_t count);
// Σ a b over several pairs of arrays of one size, in the same way.
double dot(const Span* a, const Span* b, std::int32_t count);
// y = scale · x, or y += scale · x
void scale_add(const float* x, float scale, float* y, std::int64_t size, bool accumulate);

// ---- optimizer: cpu/optimizer.cpp ---------------------------------------------------------------------------------

enum class DenseRule : std::int32_t { sgd, adagrad, adam, adamw };
enum class SparseRule : std::int32_t { sgd, adagrad, rowwise_adagrad, lazy_adam, ftrl, adam_dense };

// One step's constants. Formulas as torch.optim's of the same name (PyTorch 1.13 and later agree); g is the gradient
// times gradient_scale (clipping), plus l2 · w except for ftrl, and for adamw, where w ← w − rate · l2 · w comes first.
//   sgd              v ← momentum · v + g (v = g at step 1);  w ← w − rate · v         (momentum 0: no state)
//   adagrad          s ← s + g²;  w ← w − rate · g / (√s + eps)
//   adam, adamw, lazy_adam, adam_dense
//                    m ← β1 m + (1 − β1) g;  v ← β2 v + (1 − β2) g²;
//                    w ← w − rate/(1 − β1^step) · m / (√v/√(1 − β2^step) + eps)
//   rowwise_adagrad  s ← s + mean_row(g²);  w ← w − rate · g / (√s + eps)               one s a row
//   ftrl             n' = n + g²;  z ← z + g − (√n' − √n)/rate · w;  n ← n';
//                    w ← |z| ≤ l1 ? 0 : −(z − sign(z) l1) / ((beta + √n)/rate + l2)     (McMahan et al., KDD'13)
struct OptimizerStep {
  float rate;
  float beta1, beta2, eps;
  float l1, l2, momentum, beta;
  float gradient_scale;
  std::int64_t step;  // from 1
};

struct DenseTensor {
  float* weights;
  const float* gradients;
  float* state1;  // momentum, accumulator or m; may be null where the rule needs none
  float* state2;  // v
  std::int64_t size;
};
// All dense parameters in one call.
void dense_update(DenseRule rule, const OptimizerStep& step, const DenseTensor* tensors, std::int32_t count);

// A table's rows hold [weights d | state1 | state2]: state1 at +d, state2 at +2d (rowwise_adagrad: one float at +d;
// ftrl: z, then n).
struct SparseTensor {
  float* table;
  std::int64_t row_stride;
  std::int64_t table_rows;
  std::int32_t width;
  const std::int32_t* rows;  // touched rows, rising
  const float* values;       // [count, d]
  std::int64_t count;
};
// Only touched rows change; adam_dense alone decays every row (rows without a gradient take g = 0).
void sparse_update(SparseRule rule, const OptimizerStep& step, const SparseTensor* tensors, std::int32_t count);
std::int32_t sparse_state_width(SparseRule rule, std::int32_t width, float momentum);  // floats of state a row

// ---- the table ----------------------------------------------------------------------------------------------------

struct KernelTable {
  decltype(&kernels::embedding_forward) embedding_forward;
  decltype(&kernels::embedding_backward) embedding_backward;
  decltype(&kernels::linear_forward) linear_forward;
  decltype(&kernels::linear_backward) linear_backward;
  decltype(&kernels::linear_backward_workspace) linear_backward_workspace;
  decltype(&kernels::layer_norm_forward) layer_norm_forward;
  decltype(&kernels::layer_norm_backward) layer_norm_backward;
  decltype(&kernels::layer_norm_backward_workspace) layer_norm_backward_workspace;
  decltype(&kernels::batch_norm_statistics) batch_norm_statistics;
  decltype(&kernels::batch_norm_statistics_workspace) batch_norm_statistics_workspace;
  decltype(&kernels::batch_norm_swish_forward) batch_norm_swish_forward;
  decltype(&kernels::batch_norm_swish_backward) batch_norm_swish_backward;
  decltype(&kernels::batch_norm_swish_backward_workspace) batch_norm_swish_backward_workspace;
  decltype(&kernels::batch_norm_update) batch_norm_update;
  decltype(&kernels::din_forward) din_forward;
  decltype(&kernels::din_backward) din_backward;
  decltype(&kernels::din_backward_workspace) din_backward_workspace;
  decltype(&kernels::multi_head_forward) multi_head_forward;
  decltype(&kernels::multi_head_backward) multi_head_backward;
  decltype(&kernels::multi_head_backward_workspace) multi_head_backward_workspace;
  decltype(&kernels::mixture_forward) mixture_forward;
  decltype(&kernels::mixture_backward) mixture_backward;
  decltype(&kernels::mixture_backward_workspace) mixture_backward_workspace;
  decltype(&kernels::feature_gate_forward) feature_gate_forward;
  decltype(&kernels::feature_gate_backward) feature_gate_backward;
  decltype(&kernels::feature_gate_backward_workspace) feature_gate_backward_workspace;
  decltype(&kernels::field_mean_forward) field_mean_forward;
  decltype(&kernels::field_mean_backward) field_mean_backward;
  decltype(&kernels::field_scale_forward) field_scale_forward;
  decltype(&kernels::field_scale_backward) field_scale_backward;
  decltype(&kernels::simtier_count_forward) simtier_count_forward;
  decltype(&kernels::simtier_embedding_forward) simtier_embedding_forward;
  decltype(&kernels::simtier_embedding_backward) simtier_embedding_backward;
  decltype(&kernels::simtier_embedding_backward_workspace) simtier_embedding_backward_workspace;
  decltype(&kernels::multi_view_loss) multi_view_loss;
  decltype(&kernels::multi_view_loss_workspace) multi_view_loss_workspace;
  decltype(&kernels::add_forward) add_forward;
  decltype(&kernels::activation_forward) activation_forward;
  decltype(&kernels::activation_backward) activation_backward;
  decltype(&kernels::copy) copy;
  decltype(&kernels::fill) fill;
  decltype(&kernels::sum_of_squares) sum_of_squares;
  decltype(&kernels::dot) dot;
  decltype(&kernels::scale_add) scale_add;
  decltype(&kernels::dense_update) dense_update;
  decltype(&kernels::sparse_update) sparse_update;
  decltype(&kernels::sparse_state_width) sparse_state_width;
};

const KernelTable& cpu_kernels();

// The number of threads of every CPU kernel from now on, 0 = all cores. Also keeps BLAS to one thread a call: rows are
// split here, in blocks that do not depend on the number of threads.
void set_cpu_threads(int threads);
int cpu_threads();

}  // namespace mal::kernels

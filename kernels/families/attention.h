// Target attention over a sequence: DIN and multi-head. Conventions: kernels/kernels.h.
// CPU: cpu/attention.cpp
#pragma once

#include <cstdint>

namespace mal::kernels {

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

// sequence[B, L·d] target[B, d] lengths[B]
struct DinInput {
  DinParameters parameters;
  const float* sequence;
  std::int64_t ldsequence;
  const float* target;
  std::int64_t ldtarget;
  const std::int32_t* lengths;
};
// → out[B, d], scores[B, L] (after softmax if any; 0 beyond the length), and what backward would compute again, in
// words of its own: kept[B, din_kept()], contiguous. kept may be null, in both calls.
struct DinForward : DinInput {
  float* out;
  std::int64_t ldout;
  float* scores;
  float* kept = nullptr;
};
// dsequence and dtarget are gradients of sequence and target; dtarget may be null (nobody needs it). Beyond the length
// dsequence gets 0 (or is left as it is when accumulating). Hidden activations are recomputed, or what is needed of
// them is kept.
struct DinBackward : DinInput {
  const float* scores;
  const float* dout;
  std::int64_t lddout;
  float* dsequence;
  std::int64_t lddsequence;
  bool accumulate_sequence;
  float* dtarget;
  std::int64_t lddtarget;
  bool accumulate_target;
  DinGradients gradients;
  const float* kept = nullptr;
};
std::int64_t din_kept(const DinShape& shape);  // floats a row; 0: this device keeps nothing
// Several sequences of one shape, as if one were called after the other. Two may have the same dtarget, of which the
// second then accumulates; everything else that is written is each one's own.
void din_forward(const DinShape& shape, const DinForward* calls, std::int32_t count);
void din_backward(const DinShape& shape, const DinBackward* calls, std::int32_t count, float* workspace);
std::int64_t din_backward_workspace(const DinShape& shape, std::int32_t count);

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

}  // namespace mal::kernels

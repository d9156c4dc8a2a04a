// Gated sums of experts, and the gate over features. Conventions: kernels/kernels.h.
// CPU: cpu/gate.cpp
#pragma once

#include <cstdint>

namespace mal::kernels {

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

}  // namespace mal::kernels

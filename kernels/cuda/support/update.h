// The optimisers' formulas (families/optimizer.h) for one weight.
#pragma once

#include "kernels/cuda/support/launch.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

enum class Rule { sgd, adagrad, adam, adamw, rowwise_adagrad, ftrl };

struct UpdateConstants {
  float rate, scale, beta1, beta2, eps, l1, l2, momentum, beta;
  float adam_rate, adam_root;  // bias corrections
};

// One thread computes them for its block: β^step needs fp64 to keep its digits.
__device__ inline UpdateConstants update_constants(const OptimizerStep& step, const GradientNorm& norm, bool adam) {
  UpdateConstants k{step.rate, norm.scale,    step.beta1, step.beta2, step.eps, step.l1,
                    step.l2,   step.momentum, step.beta,  0,          0};
  if (!adam) return k;
  const auto t = static_cast<double>(step.step);
  k.adam_rate = static_cast<float>(static_cast<double>(step.rate) / (1.0 - pow(static_cast<double>(step.beta1), t)));
  k.adam_root = static_cast<float>(sqrt(1.0 - pow(static_cast<double>(step.beta2), t)));
  return k;
}

template <Rule kRule>
__device__ bool has_state1(const UpdateConstants& k) {
  return kRule != Rule::rowwise_adagrad && (kRule != Rule::sgd || k.momentum != 0);
}
template <Rule kRule>
constexpr bool kHasState2 = kRule == Rule::adam || kRule == Rule::adamw || kRule == Rule::ftrl;

__device__ inline float decayed_gradient(const UpdateConstants& k, float g, float w) {
  return g * k.scale + k.l2 * w;
}

// row_rate: of rowwise_adagrad, the rate over its row's root.
template <Rule kRule>
__device__ void update_weight(const UpdateConstants& k, float g, float& w, float& s1, float& s2, float row_rate) {
  if constexpr (kRule == Rule::sgd) {
    const float gradient = decayed_gradient(k, g, w);
    if (k.momentum != 0) s1 = k.momentum * s1 + gradient;
    w -= k.rate * (k.momentum != 0 ? s1 : gradient);
  } else if constexpr (kRule == Rule::adagrad) {
    const float gradient = decayed_gradient(k, g, w);
    s1 += gradient * gradient;
    w -= k.rate * gradient / (sqrtf(s1) + k.eps);
  } else if constexpr (kRule == Rule::rowwise_adagrad) {
    w -= row_rate * decayed_gradient(k, g, w);
  } else if constexpr (kRule == Rule::ftrl) {
    const float gradient = g * k.scale, next = s2 + gradient * gradient;
    s1 += gradient - (sqrtf(next) - sqrtf(s2)) / k.rate * w;
    s2 = next;
    const float excess = fabsf(s1) - k.l1;
    w = excess <= 0 ? 0.0F : -copysignf(excess, s1) / ((k.beta + sqrtf(next)) / k.rate + k.l2);
  } else {
    const float weight = kRule == Rule::adamw ? w * (1.0F - k.rate * k.l2) : w;
    const float gradient = kRule == Rule::adamw ? g * k.scale : decayed_gradient(k, g, weight);
    s1 = k.beta1 * s1 + (1.0F - k.beta1) * gradient;
    s2 = k.beta2 * s2 + (1.0F - k.beta2) * gradient * gradient;
    w = weight - k.adam_rate * s1 / (sqrtf(s2) / k.adam_root + k.eps);
  }
}

// The same for each part of a float or a float4.
template <Rule kRule, typename T>
__device__ void update_weights(const UpdateConstants& k, T g, T& w, T& s1, T& s2, float row_rate) {
#pragma unroll
  for (int i = 0; i < static_cast<int>(sizeof(T) / sizeof(float)); ++i)
    update_weight<kRule>(k, reinterpret_cast<const float*>(&g)[i], reinterpret_cast<float*>(&w)[i],
                         reinterpret_cast<float*>(&s1)[i], reinterpret_cast<float*>(&s2)[i], row_rate);
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

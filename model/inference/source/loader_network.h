// The trunk's and the steps' weights: read by name, folded, and laid out as the kernels want them.
#pragma once

#include "model/inference/source/loader.h"

namespace mal::infer::detail {

inline bool Loader::bind_trunk() {
  const Trunk& trunk = state_.trunk;
  state_.din.resize(trunk.parts.size());
  state_.multi_head.resize(trunk.parts.size());
  state_.tiers.resize(trunk.parts.size());
  std::size_t longest = 0;
  for (std::size_t p = 0; p < trunk.parts.size(); ++p) {
    const ColumnSpec& column = state_.schema.columns[trunk.parts[p].column];
    if (trunk.parts[p].kind == PartKind::attention) {
      const bool bound = trunk.attention == Attention::mha ? bind_multi_head(column.name, state_.multi_head[p])
                                                           : bind_din(column.name, state_.din[p]);
      if (!bound) return false;
    }
    if (trunk.parts[p].kind != PartKind::simtier) continue;
    longest = std::max(longest, column.length);
    if (trunk.simtier == SimTier::embedding &&
        !dense("simtier/" + column.name + "/tiers", {trunk.tiers, trunk.tier_width}, state_.tiers[p]))
      return false;
  }
  for (std::size_t n = 0; n <= longest; ++n) {
    const auto count = static_cast<float>(n);
    state_.tier_weights.push_back(trunk.simtier == SimTier::embedding ? std::log2(1.0F + count)
                                  : trunk.log1p                       ? std::log1p(count)
                                                                      : count);
  }
  state_.gamma.assign(trunk.width, 1.0F);
  state_.beta.assign(trunk.width, 0.0F);
  return !trunk.layer_norm || (dense("input_norm/gamma", {trunk.width}, state_.gamma) &&
                               dense("input_norm/beta", {trunk.width}, state_.beta));
}

inline bool Loader::bind_din(const std::string& column, DinWeights& din) {
  const std::string name = "attention/" + column;
  const std::size_t d = state_.trunk.dim, h = state_.trunk.din_hidden, wide = padded(h, 8);
  std::vector<float> w1, b1, alpha, w2, b2;
  if (!dense(name + "/w1", {4 * d, h}, w1) || !dense(name + "/b1", {h}, b1) || !dense(name + "/alpha", {h}, alpha) ||
      !dense(name + "/w2", {h, 1}, w2) || !dense(name + "/b2", {1}, b2))
    return false;
  din.width = d;
  din.hidden = h;
  din.padded_hidden = wide;
  din.softmax = state_.trunk.softmax;
  for (auto* matrix : {&din.a, &din.c, &din.d}) matrix->resize(d * wide);
  for (auto* vector : {&din.b1, &din.alpha, &din.w2}) vector->resize(wide);
  for (std::size_t i = 0; i < d; ++i)
    for (std::size_t k = 0; k < h; ++k) {
      const std::size_t at = i * wide + k, from = i * h + k;
      din.a[at] = w1[from] + w1[2 * d * h + from];
      din.c[at] = w1[d * h + from] - w1[2 * d * h + from];
      din.d[at] = w1[3 * d * h + from];
    }
  std::copy(b1.begin(), b1.end(), din.b1.begin());
  std::copy(alpha.begin(), alpha.end(), din.alpha.begin());
  std::copy(w2.begin(), w2.end(), din.w2.begin());
  din.b2 = b2[0];
  return true;
}

// 1/√(d/H) goes into the keys. They and the values lie side by side: one product makes both.
inline bool Loader::bind_multi_head(const std::string& column, MultiHeadWeights& attention) {
  const std::string name = "attention/" + column;
  const std::size_t d = state_.trunk.dim, asked = state_.trunk.query_width;
  std::vector<float> query, query_bias, key, value, value_bias, output, output_bias;
  if (!dense(name + "/query/weight", {asked, d}, query) || !dense(name + "/query/bias", {d}, query_bias) ||
      !dense(name + "/key/weight", {d, d}, key) || !dense(name + "/value/weight", {d, d}, value) ||
      !dense(name + "/value/bias", {d}, value_bias) || !dense(name + "/output/weight", {d, d}, output) ||
      !dense(name + "/output/bias", {d}, output_bias))
    return false;
  const std::size_t of_head = d / state_.trunk.heads;
  const float scale = 1.0F / std::sqrt(static_cast<float>(of_head));
  std::vector<float> both(2 * d * d), both_bias(2 * d);
  for (std::size_t i = 0; i < d; ++i)
    for (std::size_t k = 0; k < d; ++k) {
      both[i * 2 * d + k] = scale * key[i * d + k];
      both[i * 2 * d + d + k] = value[i * d + k];
    }
  std::copy(value_bias.begin(), value_bias.end(), both_bias.begin() + static_cast<std::ptrdiff_t>(d));
  pack(query, query_bias, asked, d, false, attention.query);
  pack(both, both_bias, d, 2 * d, false, attention.key_value);
  pack(output, output_bias, d, d, false, attention.output);
  return true;
}

inline bool Loader::bind_steps() {
  for (Step& step : state_.plan.steps) {
    if (step.op == Op::linear && !bind_linear(step)) return false;
    if (!step.native.empty() && !dense(step.native, {step.self_count}, step.native_weights)) return false;
  }
  return true;
}

inline bool Loader::bind_linear(Step& step) {
  const std::size_t in = step.in.width, out = step.out.width;
  std::vector<float> weight, bias(out);
  if (!dense(step.weight, step.transposed ? std::vector<std::uint64_t>{out, in} : std::vector<std::uint64_t>{in, out},
             weight))
    return false;
  if (step.transposed) {
    std::vector<float> turned(weight.size());
    for (std::size_t k = 0; k < in; ++k)
      for (std::size_t n = 0; n < out; ++n) turned[k * out + n] = weight[n * in + k];
    weight = std::move(turned);
  }
  if (!step.bias.empty() && !dense(step.bias, {out}, bias)) return false;
  if (!step.norm.empty() && !fold_batch_norm(step.norm, out, weight, bias)) return false;
  if (state_.split && step.in.buffer == 0 && state_.trunk.layer_norm) fold_shift(out, weight, bias);
  // Rounded weights that a norm was folded into are no bf16 any more.
  pack(weight, bias, in, out, is_bf16(step.weight) && step.norm.empty(), step.weights);
  return true;
}

inline void Loader::pack(const std::vector<float>& weight, const std::vector<float>& bias, std::size_t in,
                         std::size_t out, bool halves, Weights& packed) {
  const std::size_t size = padded(out) * in;
  if (halves)
    packed.halves.resize(size), packed.half_strips.resize(size);
  else
    packed.panels.resize(size), packed.strips.resize(size);
  packed.bias.assign(padded(out), 0.0F);
  std::copy(bias.begin(), bias.end(), packed.bias.begin());
  for (std::size_t k = 0; k < in; ++k)
    for (std::size_t n = 0; n < out; ++n) {
      const float value = weight[k * out + n];
      const std::size_t lane = n % kLanes, panel = panel_place(in, k, n - lane);
      const std::size_t strip = strip_place(in, out, k, n - lane);
      if (halves)
        packed.halves[panel + half_place(lane)] = packed.half_strips[strip + half_place(lane)] =
            static_cast<std::uint16_t>(load_as<std::uint32_t>(&value) >> 16);
      else
        packed.panels[panel + lane] = packed.strips[strip + lane] = value;
    }
}

// y = γ (x W + b − mean) / √(variance + ε) + β is a linear layer again.
inline bool Loader::fold_batch_norm(const std::string& name, std::size_t out, std::vector<float>& weight,
                                    std::vector<float>& bias) {
  constexpr double kEpsilon = 1e-5;
  std::vector<float> gamma, beta, mean, variance;
  if (!dense(name + "/gamma", {out}, gamma) || !dense(name + "/beta", {out}, beta) ||
      !dense(name + "/mean", {out}, mean) || !dense(name + "/variance", {out}, variance))
    return false;
  for (std::size_t n = 0; n < out; ++n) {
    if (variance[n] < 0) return problem_.fail(name + ": a variance is negative");
    const double scale = static_cast<double>(gamma[n]) / std::sqrt(static_cast<double>(variance[n]) + kEpsilon);
    for (std::size_t at = n; at < weight.size(); at += out)
      weight[at] = static_cast<float>(static_cast<double>(weight[at]) * scale);
    bias[n] = static_cast<float>((static_cast<double>(bias[n]) - static_cast<double>(mean[n])) * scale +
                                 static_cast<double>(beta[n]));
  }
  return true;
}

// (x̂ γ + β) W + b = (x̂ γ) W + (β W + b). γ stays with x̂, so that W stays what the file says.
inline void Loader::fold_shift(std::size_t out, const std::vector<float>& weight, std::vector<float>& bias) const {
  for (std::size_t n = 0; n < out; ++n) {
    double shift = static_cast<double>(bias[n]);
    for (std::size_t k = 0; k < state_.beta.size(); ++k)
      shift += static_cast<double>(state_.beta[k]) * static_cast<double>(weight[k * out + n]);
    bias[n] = static_cast<float>(shift);
  }
}

}  // namespace mal::infer::detail

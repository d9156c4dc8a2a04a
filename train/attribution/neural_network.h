// The network of the mechanism `neural`: the hazard of converting, from the clicks before a moment.
//
//   e_k   = channel embedding + age embedding           d wide; ages in two bins an octave
//   a_k   = w2 · PReLU([e_k; q; e_k − q; e_k ⊙ q] w1 + b1) + b2      attention unit of DIN (Zhou et al., KDD 2018), its
//                                                       query q learned; without softmax: more clicks add up to more
//   log λ = base + MLP(Σ_k a_k e_k)                     h, h, 1 wide, ReLU
//
// λ is in conversions a second. Trained on the engine (neural_fit.h); what is here only computes it, as floats.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace mal {

struct NeuralShape {
  static constexpr std::size_t kWidth = 16, kAttention = 16, kHidden = 32;
  static constexpr std::size_t kAges = 48;    // the last one begins after 16 years
  static constexpr std::size_t kClicks = 16;  // the newest ones of a moment; older ones do not count
};

// Of a click, from its age in microseconds: 0 below a minute, then two bins an octave.
std::uint32_t age_bin(std::int64_t microseconds);
double age_bin_begin(std::uint32_t bin);  // in seconds

struct BinnedClick {
  std::uint32_t channel = 0, age = 0;
  bool operator==(const BinnedClick&) const = default;
};

struct NeuralWeights {
  std::vector<float> channels, ages, query;  // embeddings, [·, d]
  std::vector<float> w1, b1, alpha, w2, b2;  // attention unit: [4d, a], [a], [a], [a], [1]
  std::vector<float> first_weight, first_bias, second_weight, second_bias, hazard_weight, hazard_bias;  // [in, out]
  double base = 0;

  struct Tensor {
    std::string_view name;
    std::vector<float>* values;
    std::size_t size;  // that the formula wants
  };
  std::array<Tensor, 14> tensors(std::size_t channel_count);
};

struct NeuralFitReport {
  std::uint64_t conversions = 0, controls = 0;  // moments
  // Moments that a network was not trained on but judged by, and the mean binary cross-entropy of the epochs kept; 0:
  // the log was too small for that.
  std::uint64_t held_out = 0;
  double held_out_loss = 0;
};

class NeuralNetwork {
 public:
  explicit NeuralNetwork(NeuralWeights weights) : weights_(std::move(weights)) {}

  using Pooled = std::array<float, NeuralShape::kWidth>;
  void add(const BinnedClick& click, Pooled& pooled) const;  // a_k e_k
  double log_hazard(const Pooled& pooled) const;
  double log_hazard(std::span<const BinnedClick> clicks) const;
  // Conversions that a click brings which stays the only one: ∫ λ({click of age t}) dt over the window.
  double lone_effect(std::uint32_t channel, double window_seconds) const;

  const NeuralWeights& weights() const { return weights_; }

 private:
  NeuralWeights weights_;
};

}  // namespace mal

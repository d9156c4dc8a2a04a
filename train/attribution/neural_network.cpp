#include "train/attribution/neural_network.h"

#include <algorithm>
#include <cmath>

#include "train/data/time_text.h"

namespace mal {

namespace {

constexpr std::size_t kWidth = NeuralShape::kWidth, kAttention = NeuralShape::kAttention,
                      kHidden = NeuralShape::kHidden;
constexpr double kMostLog = 500;  // e^500: a sum of these is finite, and a share of them

// out += x w, w[in, out].
template <std::size_t kIn, std::size_t kOut>
void multiply_add(const float* x, const float* w, std::array<float, kOut>& out) {
  for (std::size_t i = 0; i < kIn; ++i)
    for (std::size_t j = 0; j < kOut; ++j) out[j] += x[i] * w[i * kOut + j];
}

template <std::size_t kIn>
std::array<float, kHidden> relu_layer(const float* x, const std::vector<float>& weight,
                                      const std::vector<float>& bias) {
  std::array<float, kHidden> out;
  std::ranges::copy(bias, out.begin());
  multiply_add<kIn>(x, weight.data(), out);
  for (float& value : out) value = std::max(0.0F, value);
  return out;
}

}  // namespace

std::uint32_t age_bin(std::int64_t microseconds) {
  const double minutes = static_cast<double>(microseconds) / (60.0 * double{kSecond});
  if (minutes < 1) return 0;
  return static_cast<std::uint32_t>(std::min(double{NeuralShape::kAges - 1}, 1 + std::floor(2 * std::log2(minutes))));
}

double age_bin_begin(std::uint32_t bin) {
  return bin == 0 ? 0 : 60 * std::exp2((bin - 1) / 2.0);
}

std::array<NeuralWeights::Tensor, 14> NeuralWeights::tensors(std::size_t channel_count) {
  return {{{"channel", &channels, channel_count * kWidth},
           {"age", &ages, NeuralShape::kAges * kWidth},
           {"query", &query, kWidth},
           {"attention/w1", &w1, 4 * kWidth * kAttention},
           {"attention/b1", &b1, kAttention},
           {"attention/alpha", &alpha, kAttention},
           {"attention/w2", &w2, kAttention},
           {"attention/b2", &b2, 1},
           {"first/weight", &first_weight, kWidth * kHidden},
           {"first/bias", &first_bias, kHidden},
           {"second/weight", &second_weight, kHidden * kHidden},
           {"second/bias", &second_bias, kHidden},
           {"hazard/weight", &hazard_weight, kHidden},
           {"hazard/bias", &hazard_bias, 1}}};
}

void NeuralNetwork::add(const BinnedClick& click, Pooled& pooled) const {
  const float* channel = weights_.channels.data() + click.channel * kWidth;
  const float* age = weights_.ages.data() + click.age * kWidth;
  std::array<float, 4 * kWidth> input;
  for (std::size_t i = 0; i < kWidth; ++i) {
    const float e = channel[i] + age[i], q = weights_.query[i];
    input[i] = e;
    input[kWidth + i] = q;
    input[2 * kWidth + i] = e - q;
    input[3 * kWidth + i] = e * q;
  }
  std::array<float, kAttention> hidden;
  std::ranges::copy(weights_.b1, hidden.begin());
  multiply_add<4 * kWidth>(input.data(), weights_.w1.data(), hidden);
  float score = weights_.b2.front();
  for (std::size_t j = 0; j < kAttention; ++j)
    score += weights_.w2[j] * (hidden[j] > 0 ? hidden[j] : weights_.alpha[j] * hidden[j]);
  for (std::size_t i = 0; i < kWidth; ++i) pooled[i] += score * input[i];
}

double NeuralNetwork::log_hazard(const Pooled& pooled) const {
  const std::array<float, kHidden> first =
      relu_layer<kWidth>(pooled.data(), weights_.first_weight, weights_.first_bias);
  const std::array<float, kHidden> second =
      relu_layer<kHidden>(first.data(), weights_.second_weight, weights_.second_bias);
  float sum = weights_.hazard_bias.front();
  for (std::size_t i = 0; i < kHidden; ++i) sum += second[i] * weights_.hazard_weight[i];
  return std::clamp(weights_.base + static_cast<double>(sum), -kMostLog, kMostLog);
}

double NeuralNetwork::log_hazard(std::span<const BinnedClick> clicks) const {
  Pooled pooled{};
  for (const BinnedClick& click : clicks) add(click, pooled);
  return log_hazard(pooled);
}

double NeuralNetwork::lone_effect(std::uint32_t channel, double window_seconds) const {
  double sum = 0;
  for (std::uint32_t age = 0; age < NeuralShape::kAges; ++age) {
    const double begin = age_bin_begin(age);
    if (begin >= window_seconds) break;
    const double end = age + 1 < NeuralShape::kAges ? std::min(window_seconds, age_bin_begin(age + 1)) : window_seconds;
    sum += (end - begin) * std::exp(log_hazard(std::vector<BinnedClick>{{channel, age}}));
  }
  return sum;
}

}  // namespace mal

// The network of neural in double precision, written down a second time from its formulas: what NeuralNetwork computes,
// and the gradients that the engine trains by, against central differences.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <random>

#include "engine/error.h"
#include "train/attribution/neural_fit.h"
#include "train/attribution/neural_graph.h"
#include "train/data/time_text.h"

namespace mal {

namespace {

constexpr std::uint32_t kNetChannels = 3;
constexpr double kNetBase = -11;
constexpr std::size_t kNetWidth = NeuralShape::kWidth, kNetAttention = NeuralShape::kAttention;

// The weights in double: [tensor][number], in the order of NeuralWeights::tensors().
using Doubles = std::vector<std::vector<double>>;

Doubles in_double(NeuralWeights weights) {
  Doubles doubles;
  for (const NeuralWeights::Tensor& tensor : weights.tensors(kNetChannels))
    doubles.emplace_back(tensor.values->begin(), tensor.values->end());
  return doubles;
}

std::vector<double> reference_layer(const std::vector<double>& x, const std::vector<double>& weight,
                                    const std::vector<double>& bias) {
  std::vector<double> out = bias;
  for (std::size_t i = 0; i < x.size(); ++i)
    for (std::size_t j = 0; j < out.size(); ++j) out[j] += x[i] * weight[i * out.size() + j];
  return out;
}

// log λ without its base.
double reference_network(const Doubles& w, const std::vector<AgedClick>& clicks) {
  std::vector<double> pooled(kNetWidth, 0.0);
  for (const AgedClick& click : clicks) {
    std::vector<double> e(kNetWidth), input;
    for (std::size_t i = 0; i < kNetWidth; ++i)
      e[i] = w[0][click.channel * kNetWidth + i] + w[1][age_bin(click.age) * kNetWidth + i];
    input = e;
    for (std::size_t i = 0; i < kNetWidth; ++i) input.push_back(w[2][i]);
    for (std::size_t i = 0; i < kNetWidth; ++i) input.push_back(e[i] - w[2][i]);
    for (std::size_t i = 0; i < kNetWidth; ++i) input.push_back(e[i] * w[2][i]);
    const std::vector<double> hidden = reference_layer(input, w[3], w[4]);
    double score = w[7][0];
    for (std::size_t j = 0; j < kNetAttention; ++j)
      score += w[6][j] * (hidden[j] > 0 ? hidden[j] : w[5][j] * hidden[j]);
    for (std::size_t i = 0; i < kNetWidth; ++i) pooled[i] += score * e[i];
  }
  for (const std::size_t layer : {8U, 10U}) {
    pooled = reference_layer(pooled, w[layer], w[layer + 1]);
    for (double& value : pooled) value = std::max(0.0, value);
  }
  return reference_layer(pooled, w[12], w[13])[0];
}

double reference_loss(const Doubles& w, const std::vector<Moment>& moments) {
  double sum = 0;
  for (const Moment& moment : moments) {
    const double logit = kNetBase + reference_network(w, moment.clicks) - moment.log_density;
    sum += std::log1p(std::exp(moment.converts ? -logit : logit));
  }
  return sum / static_cast<double>(moments.size());
}

std::vector<Moment> random_moments(std::size_t count, unsigned seed) {
  std::mt19937_64 random(seed);
  std::vector<Moment> moments(count);
  for (Moment& moment : moments) {
    for (std::size_t clicks = 1 + random() % NeuralShape::kClicks; clicks > 0; --clicks)
      moment.clicks.push_back({static_cast<std::uint32_t>(random() % kNetChannels),
                               static_cast<std::int64_t>(random() % 3'000'000) * kSecond});
    moment.log_density = -10 - static_cast<double>(random() % 1000) / 250;
    moment.converts = random() % 3 == 0;
  }
  return moments;
}

void set_rows(NeuralGraph& graph, const std::vector<Moment>& moments) {
  for (std::size_t row = 0; row < moments.size(); ++row) graph.set(row, moments[row], kNetBase);
}

// After some steps, so that biases are not 0.
std::vector<Moment> trained_a_little(NeuralGraph& graph) {
  Optimizer optimizer = graph.optimizer(100);
  for (unsigned step = 0; step < 5; ++step) {
    set_rows(graph, random_moments(24, 90 + step));
    graph.train(24);
    optimizer.step(graph.training());
  }
  std::vector<Moment> moments = random_moments(24, 7);
  set_rows(graph, moments);
  graph.train(24);
  return moments;
}

// What the last train() found, of a tensor.
std::vector<double> gradient_of(const NeuralGraph& graph, const NeuralWeights::Tensor& tensor) {
  for (const Parameter& parameter : graph.parameters().all_dense())
    if (parameter.name == tensor.name) {
      const std::vector<float> found = parameter.gradient.read();
      return {found.begin(), found.end()};
    }
  std::vector<double> found(tensor.size, 0.0);
  for (const SparseGradient* sparse : graph.training().sparse_gradients()) {
    if (sparse->table->name() != tensor.name) continue;
    for (std::int64_t i = 0; i < sparse->read_count(); ++i)
      for (std::size_t j = 0; j < kNetWidth; ++j)
        found[static_cast<std::size_t>(sparse->rows[i]) * kNetWidth + j] +=
            double{sparse->values[static_cast<std::size_t>(i) * kNetWidth + j]};
  }
  return found;
}

}  // namespace

TEST_CASE("neural: the network is its formula", "[attribution][neural]") {
  NeuralGraph graph(3, kNetChannels, 24, 1, 1e-2);
  const std::vector<Moment> moments = trained_a_little(graph);
  NeuralWeights weights;
  weights.base = kNetBase;
  graph.read(weights);
  const NeuralNetwork network(weights);
  for (const Moment& moment : moments) {
    std::vector<BinnedClick> clicks;
    for (const AgedClick& click : moment.clicks) clicks.push_back({click.channel, age_bin(click.age)});
    CHECK(network.log_hazard(clicks) ==
          Approx(kNetBase + reference_network(in_double(weights), moment.clicks)).epsilon(1e-5));
  }
  CHECK(graph.loss() == Approx(reference_loss(in_double(weights), moments)).epsilon(1e-5));
  CHECK(graph.predict_loss(moments.size()) == Approx(24 * graph.loss()).epsilon(1e-5));
  // ∫ λ over a window of 3 minutes: ages 0 to 1, 1 to √2, √2 to 2, 2 to 2√2, 2√2 to 3 minutes.
  const double minutes[] = {0, 1, std::sqrt(2.0), 2, 2 * std::sqrt(2.0), 3};
  double effect = 0;
  for (std::size_t bin = 0; bin < 5; ++bin) {
    const AgedClick click{1, static_cast<std::int64_t>(60e6 * minutes[bin]) + 1};
    REQUIRE(age_bin(click.age) == bin);
    effect +=
        60 * (minutes[bin + 1] - minutes[bin]) * std::exp(kNetBase + reference_network(in_double(weights), {click}));
  }
  CHECK(network.lone_effect(1, 180) == Approx(effect).epsilon(1e-5));
}

TEST_CASE("neural: gradients are those of central differences", "[attribution][neural]") {
  NeuralGraph graph(5, kNetChannels, 24, 1, 1e-2);
  const std::vector<Moment> moments = trained_a_little(graph);
  NeuralWeights weights;
  graph.read(weights);
  Doubles doubles = in_double(weights);
  const auto tensors = weights.tensors(kNetChannels);
  for (std::size_t t = 0; t < tensors.size(); ++t) {
    INFO(tensors[t].name);
    const std::vector<double> gradient = gradient_of(graph, tensors[t]);
    REQUIRE(gradient.size() == tensors[t].size);
    double largest = 0;
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      const double at = doubles[t][i], step = 1e-6;
      doubles[t][i] = at + step;
      const double above = reference_loss(doubles, moments);
      doubles[t][i] = at - step;
      const double below = reference_loss(doubles, moments);
      doubles[t][i] = at;
      REQUIRE(gradient[i] == Approx((above - below) / (2 * step)).epsilon(1e-3).margin(2e-6));
      largest = std::max(largest, std::abs(gradient[i]));
    }
    CHECK(largest > 1e-5);
  }
}

TEST_CASE("neural: moments of one kind alone teach nothing", "[attribution][neural]") {
  for (const bool convert : {true, false}) {
    std::vector<Moment> moments = random_moments(50, 1);
    for (Moment& moment : moments) moment.converts = convert;
    const NeuralFit fit = fit_neural(moments, kNetChannels, {});
    CHECK(fit.networks.empty());
    CHECK(fit.report.conversions == (convert ? 50 : 0));
    CHECK(fit.report.controls == (convert ? 0 : 50));
  }
}

TEST_CASE("neural: a few moments are enough, progress goes to its end, and a training that diverges is an error",
          "[attribution][neural]") {
  std::vector<Moment> moments = random_moments(2, 1);
  moments[0].converts = true;
  moments[1].converts = false;
  NeuralFitOptions options;
  options.networks = 2;
  options.threads = 1;
  std::uint64_t last = 0, all = 0;
  options.progress = [&](std::uint64_t done, std::uint64_t of, std::string_view) {
    CHECK(done == last + 2);
    last = done;
    all = of;
  };
  const NeuralFit fit = fit_neural(moments, kNetChannels, options);
  CHECK(last == 24);  // 2 networks, 6 epochs, 2 moments
  CHECK(all == 24);
  REQUIRE(fit.networks.size() == 2);
  CHECK(fit.report.held_out == 0);
  CHECK(fit.held_out_losses[1].empty());
  options.learning_rate = std::numeric_limits<double>::max();
  options.progress = nullptr;
  CHECK_THROWS_AS(fit_neural(moments, kNetChannels, options), Error);
}

}  // namespace mal

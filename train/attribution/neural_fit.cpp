#include "train/attribution/neural_fit.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "engine/error.h"
#include "engine/random.h"
#include "train/attribution/neural_graph.h"

namespace mal {

namespace {

// A small log takes as many steps an epoch as a larger one, up to a point.
std::size_t batch_of(std::size_t moments) {
  return std::clamp<std::size_t>(std::bit_ceil(moments / 256 + 1), 32, 512);
}

class Trainer {
 public:
  Trainer(const std::vector<Moment>& moments, std::uint32_t channels, const NeuralFitOptions& options, int network)
      : moments_(moments),
        options_(options),
        network_(network),
        seed_(options.seed + (static_cast<std::uint64_t>(network) << 32)),
        batch_(batch_of(moments.size())),
        graph_(seed_, channels, batch_, options.threads, options.learning_rate) {
    split();
  }

  // Adds a network to the fit: that of the epoch with the least loss where it was not trained on.
  void run(NeuralFit& fit) {
    const std::size_t steps = (trained_.size() + batch_ - 1) / batch_;
    Optimizer optimizer = graph_.optimizer(options_.epochs * static_cast<std::int64_t>(steps));
    double least = std::numeric_limits<double>::infinity();
    std::vector<double> losses;
    for (int epoch = 1; epoch <= options_.epochs; ++epoch) {
      train_epoch(epoch, optimizer);
      const double loss = judged_ ? held_out_loss() : -epoch;  // without a judge, the last one
      if (judged_) losses.push_back(loss);
      if (!(loss < least) && epoch > 1) continue;
      least = loss;
      graph_.read(weights_);
    }
    fit.networks.push_back(std::move(weights_));
    if (judged_) {
      fit.report.held_out += held_out_.size();
      fit.report.held_out_loss += least * static_cast<double>(held_out_.size());
    }
    fit.held_out_losses.push_back(std::move(losses));
  }

 private:
  // And the mean hazard of all that was watched, so that the network begins near the truth: a control stands for 1/q
  // seconds.
  void split() {
    double seconds = 0, conversions = 0;
    const auto fold = static_cast<std::uint8_t>(static_cast<std::uint64_t>(network_) % MomentCollector::kFolds);
    std::uint64_t judged[2] = {0, 0};
    for (std::uint32_t m = 0; m < moments_.size(); ++m) {
      const Moment& moment = moments_[m];
      (moment.fold == fold ? held_out_ : trained_).push_back(m);
      if (moment.fold == fold) ++judged[moment.converts ? 1 : 0];
      if (moment.converts)
        ++conversions;
      else
        seconds += std::exp(-moment.log_density);
    }
    judged_ = judged[0] > 0 && judged[1] > 0 && !trained_.empty();
    if (!judged_) {  // a small log
      trained_.insert(trained_.end(), held_out_.begin(), held_out_.end());
      held_out_.clear();
    }
    weights_.base = std::log(conversions / seconds);
  }

  // Calls run(rows) for one batch after the other, its moments in the graph.
  template <typename Run>
  void for_each_batch(const std::vector<std::uint32_t>& which, const Run& run) {
    for (std::size_t begin = 0; begin < which.size(); begin += batch_) {
      const std::size_t rows = std::min(batch_, which.size() - begin);
      for (std::size_t row = 0; row < rows; ++row) graph_.set(row, moments_[which[begin + row]], weights_.base);
      run(rows);
    }
  }

  void train_epoch(int epoch, Optimizer& optimizer) {
    const Random shuffle(seed_, fmt::format("attribution: order of moments, epoch {}", epoch));
    for (std::size_t i = trained_.size(); i > 1; --i) std::swap(trained_[i - 1], trained_[shuffle.below(i, i)]);
    const auto epochs = static_cast<std::uint64_t>(options_.epochs), network = static_cast<std::uint64_t>(network_);
    const std::uint64_t all = static_cast<std::uint64_t>(options_.networks) * epochs * trained_.size();
    std::uint64_t done = (network * epochs + static_cast<std::uint64_t>(epoch - 1)) * trained_.size();
    for_each_batch(trained_, [&](std::size_t rows) {
      graph_.train(rows);
      if (!std::isfinite(graph_.loss()))
        fail("neural: the training of a network diverged; give another --seed, or leave neural out");
      optimizer.step(graph_.training());
      done += rows;
      if (options_.progress) options_.progress(done, all, fmt::format("loss {:.4f}", graph_.loss()));
    });
  }

  // Of telling conversions from controls: binary cross-entropy.
  double held_out_loss() {
    double sum = 0;
    for_each_batch(held_out_, [&](std::size_t rows) { sum += graph_.predict_loss(rows); });
    return sum / static_cast<double>(held_out_.size());
  }

  const std::vector<Moment>& moments_;
  NeuralFitOptions options_;
  int network_;
  std::uint64_t seed_;
  std::size_t batch_;
  NeuralGraph graph_;
  std::vector<std::uint32_t> trained_, held_out_;
  bool judged_ = false;  // moments of both kinds are held out
  NeuralWeights weights_;
};

}  // namespace

NeuralFit fit_neural(const std::vector<Moment>& moments, std::uint32_t channels, const NeuralFitOptions& options) {
  NeuralFit fit;
  for (const Moment& moment : moments) ++(moment.converts ? fit.report.conversions : fit.report.controls);
  if (fit.report.conversions == 0 || fit.report.controls == 0) return fit;
  for (int network = 0; network < options.networks; ++network) Trainer(moments, channels, options, network).run(fit);
  if (fit.report.held_out > 0) fit.report.held_out_loss /= static_cast<double>(fit.report.held_out);
  return fit;
}

}  // namespace mal

#include <algorithm>

#include "engine/error.h"
#include "engine/ops.h"
#include "engine/scratch.h"

namespace mal::ops {

namespace {

// The kernel yields values and gradients in one pass, so all of its work is the first backward call.
class MultiViewLoss final : public Op {
 public:
  MultiViewLoss(Value logits, Value credits, std::int64_t columns, std::vector<LossHead> heads, Reduction reduction,
                double* losses, const std::int32_t* only, const RowWeights& weights)
      : logits_(logits),
        credits_(credits),
        columns_(columns),
        heads_(std::move(heads)),
        reduction_(reduction),
        losses_(losses),
        only_(only),
        weights_(weights) {}

  void forward(const Run&) override {}

  void backward(const Run& run) override {
    const Matrix logits = run.value(logits_), credits = run.value(credits_);
    const Matrix weights = weights_.value.valid() ? run.value(weights_.value) : Matrix{};
    const GradientTarget dlogits = run.gradient_of_input(0);
    // A tile's losses are sums, and its gradients those of the whole batch's loss.
    const Reduction reduction = run.tiled() ? Reduction::sum : reduction_;
    std::vector<LossHead>& heads = scratch_list<LossHead>();
    heads.assign(heads_.begin(), heads_.end());
    for (std::size_t h = 0; h < heads.size(); ++h) {
      if (only_ != nullptr && *only_ >= 0 && h != static_cast<std::size_t>(*only_)) heads[h].scale = 0;
      if (run.tiled()) heads[h].scale = static_cast<float>(heads[h].scale / divisor(run));
    }
    run.kernels.multi_view_loss(logits.data, logits.stride, credits.data, credits.stride, weights.data, weights.stride,
                                weights_.mean, heads.data(), static_cast<std::int32_t>(heads.size()), reduction,
                                dlogits.data, dlogits.stride, columns_, run.tiled() ? run.partial() : losses_, run.rows,
                                reinterpret_cast<double*>(run.workspace()));
  }

  void finish(const Run& run) override {
    const double* partial = run.partial();
    for (std::size_t h = 0; h < heads_.size(); ++h) {
      double sum = 0;
      for (std::int64_t t = 0; t < run.tiles(); ++t)
        sum += partial[t * static_cast<std::int64_t>(heads_.size()) + static_cast<std::int64_t>(h)];
      losses_[h] = sum / divisor(run);
    }
  }

 private:
  // Of the sum over the batch; of no rows it is 0.
  double divisor(const Run& run) const {
    return reduction_ == Reduction::sum ? 1.0 : static_cast<double>(std::max<std::int64_t>(1, run.batch_rows()));
  }

  Value logits_, credits_;
  std::int64_t columns_;
  std::vector<LossHead> heads_;
  Reduction reduction_;
  double* losses_;
  const std::int32_t* only_;
  RowWeights weights_;
};

void check_heads(const Graph& graph, Value logits, Value credits, const std::vector<LossHead>& heads) {
  for (const LossHead& head : heads) {
    const bool cartesian = head.kind == HeadKind::cartesian;
    if (head.view_count < 1 || head.view_count > (cartesian ? 12 : 1))
      fail("loss: a head has {} views; a cartesian head can have 12", head.view_count);
    const std::int64_t width = cartesian ? std::int64_t{1} << head.view_count : 1;
    if (head.column < 0 || head.column + width > graph.width(logits)) fail("loss: a head lies outside the logits");
    for (std::int32_t k = 0; k < head.view_count; ++k)
      if (head.views[k] < 0 || head.views[k] >= graph.width(credits))
        fail("loss: view {} does not exist", head.views[k]);
  }
}

}  // namespace

void multi_view_loss(Graph& graph, Value logits, Value credits, std::vector<LossHead> heads, Reduction reduction,
                     double* losses, const std::int32_t* only, const RowWeights& weights) {
  check_heads(graph, logits, credits, heads);
  if (weights.value.valid() && !(weights.mean > 0)) fail("loss: the mean of the weights is {}", weights.mean);
  OpInfo info;
  info.name = "loss";
  info.kind = fmt::format("{} heads over {} logits", heads.size(), graph.width(logits));
  info.inputs = {logits, credits};
  info.saved = {logits, credits};
  if (weights.value.valid()) {
    info.inputs.push_back(weights.value);
    info.saved.push_back(weights.value);
  }
  info.whole_batch_backward = reduction == Reduction::weight_mean;  // every gradient is divided by the sum of weights
  info.partials = static_cast<std::int64_t>(heads.size());
  info.backward_workspace = 2 * graph.device().kernels->multi_view_loss_workspace(
                                    info.whole_batch_backward ? graph.max_rows() : graph.call_rows(),
                                    static_cast<std::int32_t>(heads.size()));
  graph.record(std::make_unique<MultiViewLoss>(logits, credits, graph.width(logits), std::move(heads), reduction,
                                               losses, only, weights),
               std::move(info));
}

}  // namespace mal::ops

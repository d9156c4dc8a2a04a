#include "engine/error.h"
#include "engine/ops.h"

namespace mal::ops {

namespace {

class LayerNorm final : public Op {
 public:
  LayerNorm(Value x, Value y, Value statistics, Parameter& gamma, Parameter& beta, std::int64_t width, float epsilon)
      : x_(x), y_(y), statistics_(statistics), gamma_(gamma), beta_(beta), width_(width), epsilon_(epsilon) {}

  void forward(const Run& run) override {
    const Matrix x = run.value(x_), y = run.value(y_);
    run.kernels.layer_norm_forward(x.data, x.stride, gamma_.value.data(), beta_.value.data(), y.data, y.stride,
                                   mean(run), rstd(run), run.rows, width_, epsilon_);
  }

  void backward(const Run& run) override {
    const Matrix x = run.value(x_), dy = run.gradient(y_);
    GradientTarget dx = run.gradient_of_input(0);
    run.kernels.layer_norm_backward(x.data, x.stride, gamma_.value.data(), mean(run), rstd(run), dy.data, dy.stride,
                                    dx.data, dx.stride, dx.accumulate, run.gradient_of(gamma_), run.gradient_of(beta_),
                                    run.rows, width_, run.workspace());
  }

 private:
  // The statistics' storage holds mean[rows], then rstd[rows], of the call's.
  float* mean(const Run& run) const { return run.value(statistics_).data; }
  float* rstd(const Run& run) const { return mean(run) + run.rows; }

  Value x_, y_, statistics_;
  Parameter& gamma_;
  Parameter& beta_;
  std::int64_t width_;
  float epsilon_;
};

}  // namespace

Value layer_norm(Graph& graph, Parameters& parameters, Value x, float epsilon, const std::string& name) {
  const std::int64_t width = graph.width(x);
  if (graph.training() && !graph.needs_gradient(x)) fail("{}: nothing below this layer is learned", name);
  Parameter& gamma = parameters.dense(name + "/gamma", {width}, Initialiser::constant(1));
  Parameter& beta = parameters.dense(name + "/beta", {width}, Initialiser::constant(0));
  const Value y = graph.add_value(width, true, name);
  const Value statistics = graph.add_value(2, false, name + "/statistics");
  OpInfo info;
  info.name = name;
  info.kind = fmt::format("layer norm {}", width);
  info.inputs = {x};
  info.outputs = {y, statistics};
  info.saved = {x, statistics};
  info.backward_workspace = graph.device().kernels->layer_norm_backward_workspace(graph.call_rows(), width);
  info.learns = {&gamma, &beta};
  info.flops = 8.0 * static_cast<double>(width);
  graph.record(std::make_unique<LayerNorm>(x, y, statistics, gamma, beta, width, epsilon), std::move(info));
  return y;
}

}  // namespace mal::ops

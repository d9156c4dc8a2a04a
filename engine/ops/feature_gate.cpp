#include "engine/error.h"
#include "engine/ops.h"

namespace mal::ops {

namespace {

class FeatureGate final : public Op {
 public:
  FeatureGate(Value x, Value u, Value hidden, Parameter& a, Parameter& b, std::int64_t width, std::int64_t rank)
      : x_(x), u_(u), hidden_(hidden), a_(a), b_(b), width_(width), rank_(rank) {}

  void forward(const Run& run) override {
    const Matrix x = run.value(x_), u = run.value(u_);
    run.kernels.feature_gate_forward(x.data, x.stride, a_.value.data(), b_.value.data(), u.data, u.stride,
                                     run.value(hidden_).data, run.rows, width_, rank_);
  }

  void backward(const Run& run) override {
    const Matrix x = run.value(x_), du = run.gradient(u_);
    const GradientTarget dx = run.gradient_of_input(0);
    run.kernels.feature_gate_backward(x.data, x.stride, a_.value.data(), b_.value.data(), run.value(hidden_).data,
                                      du.data, du.stride, dx.data, dx.stride, dx.accumulate, run.gradient_of(a_),
                                      run.gradient_of(b_), run.rows, width_, rank_, run.workspace());
  }

 private:
  Value x_, u_, hidden_;
  Parameter &a_, &b_;
  std::int64_t width_, rank_;
};

}  // namespace

Value feature_gate(Graph& graph, Parameters& parameters, Value x, std::int64_t rank, const std::string& name) {
  if (rank < 1) fail_usage("{}: a feature gate of rank {} is not possible", name, rank);
  const std::int64_t width = graph.width(x);
  Parameter& a = parameters.dense(name + "/feature_gate_a", {width, rank}, Initialiser::xavier_uniform());
  Parameter& b = parameters.dense(name + "/feature_gate_b", {width, rank}, Initialiser::constant(0));
  const Value u = graph.add_value(width, true, name + "/gated");
  const Value hidden = graph.add_value(rank, false, name + "/gate");  // contiguous [rows, r]
  OpInfo info;
  info.name = name + "/gated";
  info.kind = fmt::format("feature gate {}, rank {}", width, rank);
  info.inputs = {x};
  info.outputs = {u, hidden};
  info.saved = {x, hidden};
  info.backward_workspace = graph.device().kernels->feature_gate_backward_workspace(graph.call_rows(), width, rank);
  info.learns = {&a, &b};
  info.flops = static_cast<double>(4 * width * rank + 6 * width);
  graph.record(std::make_unique<FeatureGate>(x, u, hidden, a, b, width, rank), std::move(info));
  return u;
}

}  // namespace mal::ops

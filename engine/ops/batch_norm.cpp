#include "engine/error.h"
#include "engine/ops.h"

namespace mal::ops {

namespace {

class BatchNormSwish final : public Op {
 public:
  struct Tensors {
    Parameter &gamma, &beta;
    State &mean, &variance;  // running
  };

  BatchNormSwish(Value x, Value y, Value statistics, Tensors tensors, std::int64_t width, float momentum, float epsilon)
      : x_(x),
        y_(y),
        statistics_(statistics),
        tensors_(tensors),
        width_(width),
        momentum_(momentum),
        epsilon_(epsilon) {}

  void forward(const Run& run) override {
    const Matrix x = run.value(x_), y = run.value(y_);
    const bool training = statistics_.valid();
    if (training)
      run.kernels.batch_norm_statistics(x.data, x.stride, mean(run), variance(run), run.rows, width_, doubles(run));
    run.kernels.batch_norm_swish_forward(x.data, x.stride, tensors_.gamma.value.data(), tensors_.beta.value.data(),
                                         training ? mean(run) : tensors_.mean.value.data(),
                                         training ? variance(run) : tensors_.variance.value.data(), y.data, y.stride,
                                         run.rows, width_, epsilon_);
  }

  void backward(const Run& run) override {
    const Matrix x = run.value(x_), dy = run.gradient(y_);
    const GradientTarget dx = run.gradient_of_input(0);
    run.kernels.batch_norm_swish_backward(x.data, x.stride, tensors_.gamma.value.data(), tensors_.beta.value.data(),
                                          mean(run), variance(run), dy.data, dy.stride, dx.data, dx.stride,
                                          dx.accumulate, run.gradient_of(tensors_.gamma),
                                          run.gradient_of(tensors_.beta), run.rows, width_, epsilon_, doubles(run));
  }

  void commit(const Run& run, const kernels::GradientNorm* norm) override {
    if (statistics_.valid())
      run.kernels.batch_norm_update(mean(run), variance(run), tensors_.mean.value.data(),
                                    tensors_.variance.value.data(), run.rows, width_, momentum_, norm);
  }

 private:
  // The batch's; one row of the value each.
  float* mean(const Run& run) const { return run.value(statistics_).data; }
  float* variance(const Run& run) const { return mean(run) + width_; }
  static double* doubles(const Run& run) { return reinterpret_cast<double*>(run.workspace()); }

  Value x_, y_, statistics_;  // the last one invalid in an evaluation graph
  Tensors tensors_;
  std::int64_t width_;
  float momentum_, epsilon_;
};

}  // namespace

Value batch_norm_swish(Graph& graph, Parameters& parameters, Value x, float momentum, float epsilon,
                       const std::string& name) {
  const std::int64_t width = graph.width(x);
  const BatchNormSwish::Tensors tensors{parameters.dense(name + "/gamma", {width}, Initialiser::constant(1)),
                                        parameters.dense(name + "/beta", {width}, Initialiser::constant(0)),
                                        parameters.state(name + "/mean", {width}, 0),
                                        parameters.state(name + "/variance", {width}, 1)};
  const Value y = graph.add_value(width, true, name);
  OpInfo info;
  info.name = name;
  info.kind = fmt::format("batch norm {}, swish", width);
  info.inputs = {x};
  info.outputs = {y};
  info.saved = {x};
  info.learns = {&tensors.gamma, &tensors.beta};
  info.flops = 10.0 * static_cast<double>(width);
  Value statistics;
  if (graph.training()) {
    // A storage of at least one row holds mean[width], then variance[width]. Kept: commit() comes after the last call.
    statistics = graph.add_value(2 * width, false, name + "/statistics");
    graph.keep(statistics);
    info.outputs.push_back(statistics);
    info.whole_batch_forward = info.whole_batch_backward = true;
    info.saved.push_back(statistics);
    const kernels::KernelTable& kernels = *graph.device().kernels;
    info.forward_workspace = 2 * kernels.batch_norm_statistics_workspace(graph.max_rows(), width);  // of doubles
    info.backward_workspace = 2 * kernels.batch_norm_swish_backward_workspace(graph.max_rows(), width);
  }
  graph.record(std::make_unique<BatchNormSwish>(x, y, statistics, tensors, width, momentum, epsilon), std::move(info));
  return y;
}

}  // namespace mal::ops

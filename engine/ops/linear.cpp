#include "engine/error.h"
#include "engine/ops.h"
#include "engine/scratch.h"

namespace mal::ops {

namespace {

class Linear final : public Op {
 public:
  Linear(Value x, Value y, Parameter& weight, Parameter* bias, std::int64_t inputs, std::int64_t outputs,
         Activation activation)
      : x_(x), y_(y), weight_(weight), bias_(bias), inputs_(inputs), outputs_(outputs), activation_(activation) {}

  void prepare(const Run& run) override {
    run.kernels.linear_pack(weight_.value.data(), inputs_, outputs_, run.graph.training(), run.prepared());
  }

  void forward(const Run& run) override {
    const kernels::LinearForward call = forward_call(run);
    run.kernels.linear_group_forward(&call, 1, run.rows, inputs_, outputs_, activation_);
  }

  void backward(const Run& run) override {
    const kernels::LinearBackward call = backward_call(run);
    run.kernels.linear_group_backward(&call, 1, run.rows, inputs_, outputs_, activation_, run.workspace());
  }

  kernels::ChainForward forward_step(const Run& run) const override {
    const kernels::LinearForward c = forward_call(run);
    return {.x = c.x,
            .ldx = c.ldx,
            .w = c.w,
            .b = c.b,
            .y = c.y,
            .ldy = c.ldy,
            .inputs = inputs_,
            .outputs = outputs_,
            .activation = activation_};
  }

  kernels::ChainBackward backward_step(const Run& run) const override {
    const kernels::LinearBackward c = backward_call(run);
    return {.x = c.x,
            .ldx = c.ldx,
            .w = c.w,
            .y = c.y,
            .ldy = c.ldy,
            .dy = c.dy,
            .lddy = c.lddy,
            .dx = c.dx,
            .lddx = c.lddx,
            .accumulate = c.accumulate,
            .dw = c.dw,
            .db = c.db,
            .inputs = inputs_,
            .outputs = outputs_,
            .activation = activation_};
  }

  void forward_group(std::span<const Member> members) override {
    std::vector<kernels::LinearForward>& calls = scratch_list<kernels::LinearForward>();
    for (const Member& member : members)
      calls.push_back(static_cast<const Linear&>(*member.op).forward_call(member.run));
    const Run& run = members.front().run;
    run.kernels.linear_group_forward(calls.data(), static_cast<std::int32_t>(members.size()), run.rows, inputs_,
                                     outputs_, activation_);
  }

  void backward_group(std::span<const Member> members) override {
    std::vector<kernels::LinearBackward>& calls = scratch_list<kernels::LinearBackward>();
    for (const Member& member : members)
      calls.push_back(static_cast<const Linear&>(*member.op).backward_call(member.run));
    const Run& run = members.front().run;
    run.kernels.linear_group_backward(calls.data(), static_cast<std::int32_t>(members.size()), run.rows, inputs_,
                                      outputs_, activation_, run.workspace());
  }

  std::int64_t group_workspace(const Graph& graph, std::span<const Op* const> members) const override {
    return graph.device().kernels->linear_group_backward_workspace(
        static_cast<std::int32_t>(members.size()), graph.call_rows(), inputs_, outputs_, share_input(graph, members));
  }

 private:
  kernels::LinearForward forward_call(const Run& run) const {
    const Matrix x = run.value(x_), y = run.value(y_);
    return {.x = x.data,
            .ldx = x.stride,
            .w = weight_.value.data(),
            .b = bias_ == nullptr ? nullptr : bias_->value.data(),
            .y = y.data,
            .ldy = y.stride,
            .packed = run.prepared()};
  }

  kernels::LinearBackward backward_call(const Run& run) const {
    const Matrix x = run.value(x_), y = run.value(y_), dy = run.gradient(y_);
    const GradientTarget dx = run.gradient_of_input(0);
    return {.x = x.data,
            .ldx = x.stride,
            .w = weight_.value.data(),
            .y = y.data,
            .ldy = y.stride,
            .dy = dy.data,
            .lddy = dy.stride,
            .dx = dx.data,
            .lddx = dx.stride,
            .accumulate = dx.accumulate,
            .dw = run.gradient_of(weight_),
            .db = bias_ == nullptr ? nullptr : run.gradient_of(*bias_),
            .packed = run.prepared()};
  }

  // Whether the gradients of two members' inputs meet.
  static bool share_input(const Graph& graph, std::span<const Op* const> members) {
    for (std::size_t i = 0; i < members.size(); ++i)
      for (std::size_t j = 0; j < i; ++j) {
        const Value a = static_cast<const Linear*>(members[i])->x_, b = static_cast<const Linear*>(members[j])->x_;
        if (graph.needs_gradient(a) && graph.needs_gradient(b) && graph.overlap(a, b)) return true;
      }
    return false;
  }

  Value x_, y_;
  Parameter& weight_;
  Parameter* bias_;
  std::int64_t inputs_, outputs_;
  Activation activation_;
};

Value record_linear(Graph& graph, Parameters& parameters, Value x, std::int64_t outputs, bool with_bias,
                    Activation activation, const std::string& name) {
  if (outputs < 1) fail_usage("{}: a layer of width {} is not possible", name, outputs);
  const std::int64_t inputs = graph.width(x);
  Parameter& weight = parameters.dense(name + "/weight", {inputs, outputs}, Initialiser::xavier_uniform());
  Parameter* bias = with_bias ? &parameters.dense(name + "/bias", {outputs}, Initialiser::constant(0)) : nullptr;
  const Value y = graph.add_value(outputs, true, name);
  OpInfo info;
  info.name = name;
  info.kind = fmt::format("linear {} → {}{}{}", inputs, outputs, with_bias ? "" : ", no bias",
                          activation == Activation::relu ? ", relu" : "");
  info.inputs = {x};
  info.outputs = {y};
  info.saved = {x, y};
  info.backward_workspace = graph.device().kernels->linear_backward_workspace(graph.call_rows(), inputs, outputs);
  info.learns = {&weight};
  if (with_bias) info.learns.push_back(bias);
  info.prepared = graph.device().kernels->linear_packed_size(inputs, outputs, graph.training());
  info.flops = 2.0 * static_cast<double>(inputs * outputs);
  info.group = info.kind;
  info.layer = {inputs, outputs};
  info.chains = graph.device().kernels->chains_layer(inputs, outputs);
  graph.record(std::make_unique<Linear>(x, y, weight, bias, inputs, outputs, activation), std::move(info));
  return y;
}

}  // namespace

Value linear(Graph& graph, Parameters& parameters, Value x, std::int64_t outputs, Activation activation,
             const std::string& name) {
  return record_linear(graph, parameters, x, outputs, true, activation, name);
}

Value projection(Graph& graph, Parameters& parameters, Value x, std::int64_t outputs, const std::string& name) {
  return record_linear(graph, parameters, x, outputs, false, Activation::none, name);
}

}  // namespace mal::ops

#include "engine/error.h"
#include "engine/ops.h"

namespace mal::ops {

namespace {

using kernels::Gate;
using kernels::MixtureGradient;
using kernels::MixtureInput;
using kernels::MixtureOutput;

class MixtureOp final : public Op {
 public:
  MixtureOp(std::vector<Value> experts, std::vector<GateSpec> gates, std::vector<Value> outputs, Value weights,
            std::int64_t width)
      : experts_(std::move(experts)),
        specs_(std::move(gates)),
        outputs_(std::move(outputs)),
        weights_(weights),
        width_(width) {}

  // The arrays that describe a call to its kernel.
  struct Call {
    std::vector<Gate> gates;
    std::vector<MixtureInput> inputs, gradients;
    std::vector<MixtureOutput> results;
    std::vector<MixtureGradient> expert_gradients, logit_gradients;
  };

  // The kernels' view of a layer of `rows` rows; logits are read from `run` where there is one.
  kernels::Mixture mixture(std::int64_t rows, const Run* run, Call& call) const {
    for (std::size_t g = 0; g < specs_.size(); ++g) {
      const GateSpec& spec = specs_[g];
      Matrix logits;
      if (spec.constant != nullptr)
        logits.data = spec.constant->value.data();
      else if (run != nullptr)
        logits = run->value(spec.logits);
      call.gates[g] = {spec.kind,      static_cast<std::int32_t>(spec.output),
                       count_of(spec), spec.experts.data(),
                       logits.data,    logits.stride};
    }
    return {call.gates.data(),
            static_cast<std::int32_t>(call.gates.size()),
            static_cast<std::int32_t>(experts_.size()),
            static_cast<std::int32_t>(outputs_.size()),
            rows,
            width_};
  }

  void forward(const Run& run) override {
    Call& call = this_call();
    read_experts(run, call);
    for (std::size_t o = 0; o < outputs_.size(); ++o) {
      const Matrix y = run.value(outputs_[o]);
      call.results[o] = {y.data, y.stride};
    }
    const Matrix weights = run.value(weights_);
    run.kernels.mixture_forward(mixture(run.rows, &run, call), call.inputs.data(), call.results.data(), weights.data,
                                weights.stride);
  }

  void backward(const Run& run) override {
    Call& call = this_call();
    read_experts(run, call);
    for (std::size_t o = 0; o < outputs_.size(); ++o) {
      const Matrix dy = run.gradient(outputs_[o]);
      call.gradients[o] = {dy.data, dy.stride};
    }
    std::size_t input = 0;
    for (MixtureGradient& gradient : call.expert_gradients) gradient = target(run, input++);
    for (std::size_t g = 0; g < specs_.size(); ++g)
      call.logit_gradients[g] = specs_[g].constant != nullptr
                                    ? MixtureGradient{run.gradient_of(*specs_[g].constant), 0, false}
                                    : target(run, input++);
    const Matrix weights = run.value(weights_);
    run.kernels.mixture_backward(mixture(run.rows, &run, call), call.inputs.data(), weights.data, weights.stride,
                                 call.gradients.data(), call.expert_gradients.data(), call.logit_gradients.data(),
                                 run.workspace());
  }

  std::int64_t backward_workspace(const Graph& graph) const {
    return graph.device().kernels->mixture_backward_workspace(mixture(graph.call_rows(), nullptr, this_call()));
  }

 private:
  // This thread's: calls of several tiles run at once.
  Call& this_call() const {
    static thread_local Call call;
    call.gates.resize(specs_.size());
    call.inputs.resize(experts_.size());
    call.gradients.resize(outputs_.size());
    call.results.resize(outputs_.size());
    call.expert_gradients.resize(experts_.size());
    call.logit_gradients.resize(specs_.size());
    return call;
  }
  static std::int32_t count_of(const GateSpec& spec) { return static_cast<std::int32_t>(spec.experts.size()); }
  static MixtureGradient target(const Run& run, std::size_t input) {
    const GradientTarget gradient = run.gradient_of_input(input);
    return {gradient.data, gradient.stride, gradient.accumulate};
  }
  void read_experts(const Run& run, Call& call) const {
    for (std::size_t e = 0; e < experts_.size(); ++e) {
      const Matrix x = run.value(experts_[e]);
      call.inputs[e] = {x.data, x.stride};
    }
  }

  std::vector<Value> experts_;
  std::vector<GateSpec> specs_;
  std::vector<Value> outputs_;
  Value weights_;
  std::int64_t width_;
};

void check_gate(const Graph& graph, const GateSpec& gate, std::size_t experts, std::size_t outputs,
                const std::string& name) {
  const auto count = static_cast<std::int64_t>(gate.experts.size());
  if (count == 0 || gate.output >= outputs) fail("{}: a gate has no experts or no output", name);
  for (const std::int32_t expert : gate.experts)
    if (expert < 0 || static_cast<std::size_t>(expert) >= experts) fail("{}: there is no expert {}", name, expert);
  const bool constant = gate.kind == kernels::GateKind::constant;
  if (constant != (gate.constant != nullptr)) fail("{}: a constant gate has a parameter, and no other has", name);
  const std::int64_t logits = constant ? gate.constant->value.size() : graph.width(gate.logits);
  if (logits != count) fail("{}: a gate has {} logits for {} experts", name, logits, count);
}

}  // namespace

std::vector<Value> mixture(Graph& graph, const std::vector<Value>& experts, const std::vector<GateSpec>& gates,
                           const std::vector<std::string>& outputs, const std::string& name) {
  if (experts.empty() || outputs.empty()) fail("{}: a mixture needs experts and outputs", name);
  const std::int64_t width = graph.width(experts.front());
  for (const Value expert : experts)
    if (graph.width(expert) != width)
      fail("{}: {} is {} wide, the other experts {}", name, graph.name(expert), graph.width(expert), width);
  OpInfo info;
  info.inputs = experts;
  std::int64_t weights_width = 0;
  for (const GateSpec& gate : gates) {
    check_gate(graph, gate, experts.size(), outputs.size(), name);
    weights_width += static_cast<std::int64_t>(gate.experts.size());
    if (gate.constant == nullptr)
      info.inputs.push_back(gate.logits);
    else
      info.learns.push_back(gate.constant);
  }
  if (weights_width == 0) fail("{}: a mixture needs gates", name);
  std::vector<Value> values;
  values.reserve(outputs.size());
  for (const std::string& output : outputs) values.push_back(graph.add_value(width, true, output));
  info.flows.resize(outputs.size() + 1);  // the last one of the weights, into which nothing flows
  for (const GateSpec& gate : gates) {
    Flow& flow = info.flows[gate.output];
    for (const std::int32_t expert : gate.experts) flow.inputs.push_back(experts[static_cast<std::size_t>(expert)]);
    if (gate.constant == nullptr)
      flow.inputs.push_back(gate.logits);
    else
      flow.learns.push_back(gate.constant);
  }
  const Value weights = graph.add_value(weights_width, false, name + "/weights");

  auto op = std::make_unique<MixtureOp>(experts, gates, values, weights, width);
  info.name = name;
  info.kind = fmt::format("mixture of {} experts × {}, {} outputs, {} gates", experts.size(), width, outputs.size(),
                          gates.size());
  info.outputs = values;
  info.outputs.push_back(weights);
  info.saved = experts;
  info.saved.push_back(weights);
  info.backward_workspace = op->backward_workspace(graph);
  info.flops = 2.0 * static_cast<double>(weights_width * width);
  graph.record(std::move(op), std::move(info));
  return values;
}

}  // namespace mal::ops

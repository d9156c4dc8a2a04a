#include "engine/error.h"
#include "engine/ops.h"
#include "engine/scratch.h"

namespace mal::ops {

namespace {

class DinAttention final : public Op {
 public:
  struct Tensors {
    Parameter &w1, &b1, &alpha, &w2, &b2;
  };

  DinAttention(Value sequence, Value target, Value output, Value scores, Value kept, Input lengths,
               kernels::DinShape shape, Tensors tensors)
      : sequence_(sequence),
        target_(target),
        output_(output),
        scores_(scores),
        kept_(kept),
        lengths_(lengths),
        shape_(shape),
        tensors_(tensors) {}

  void forward(const Run& run) override {
    const kernels::DinForward call = forward_call(run);
    run.kernels.din_forward(shape(run), &call, 1);
  }
  void backward(const Run& run) override {
    const kernels::DinBackward call = backward_call(run);
    run.kernels.din_backward(shape(run), &call, 1, run.workspace());
  }

  void forward_group(std::span<const Member> members) override {
    std::vector<kernels::DinForward>& calls = scratch_list<kernels::DinForward>();
    for (const Member& member : members)
      calls.push_back(static_cast<const DinAttention&>(*member.op).forward_call(member.run));
    const Run& run = members.front().run;
    run.kernels.din_forward(shape(run), calls.data(), static_cast<std::int32_t>(members.size()));
  }
  void backward_group(std::span<const Member> members) override {
    std::vector<kernels::DinBackward>& calls = scratch_list<kernels::DinBackward>();
    for (const Member& member : members)
      calls.push_back(static_cast<const DinAttention&>(*member.op).backward_call(member.run));
    const Run& run = members.front().run;
    run.kernels.din_backward(shape(run), calls.data(), static_cast<std::int32_t>(members.size()), run.workspace());
  }
  std::int64_t group_workspace(const Graph& graph, std::span<const Op* const> members) const override {
    return graph.device().kernels->din_backward_workspace(shape_, static_cast<std::int32_t>(members.size()));
  }

 private:
  float* kept(const Run& run) const { return kept_.valid() ? run.value(kept_).data : nullptr; }
  kernels::DinInput input_of(const Run& run) const {
    const Matrix sequence = run.value(sequence_), target = run.value(target_);
    return {weights(),   sequence.data, sequence.stride,
            target.data, target.stride, run.input(lengths_, shape_.length).lengths};
  }
  kernels::DinForward forward_call(const Run& run) const {
    const Matrix out = run.value(output_);
    return {input_of(run), out.data, out.stride, run.value(scores_).data, kept(run)};
  }
  kernels::DinBackward backward_call(const Run& run) const {
    const Matrix dout = run.gradient(output_);
    const GradientTarget dsequence = run.gradient_of_input(0), dtarget = run.gradient_of_input(1);
    const kernels::DinGradients gradients{run.gradient_of(tensors_.w1), run.gradient_of(tensors_.b1),
                                          run.gradient_of(tensors_.alpha), run.gradient_of(tensors_.w2),
                                          run.gradient_of(tensors_.b2)};
    return {input_of(run),
            run.value(scores_).data,
            dout.data,
            dout.stride,
            dsequence.data,
            dsequence.stride,
            dsequence.accumulate,
            dtarget.data,
            dtarget.stride,
            dtarget.accumulate,
            gradients,
            kept(run)};
  }
  kernels::DinShape shape(const Run& run) const {
    return {run.rows, shape_.length, shape_.width, shape_.hidden, shape_.softmax};
  }
  kernels::DinParameters weights() const {
    return {tensors_.w1.value.data(), tensors_.b1.value.data(), tensors_.alpha.value.data(), tensors_.w2.value.data(),
            tensors_.b2.value.data()};
  }

  Value sequence_, target_, output_, scores_, kept_;
  Input lengths_;
  kernels::DinShape shape_;
  Tensors tensors_;
};

}  // namespace

Value din_attention(Graph& graph, Parameters& parameters, Value sequence, Value target, Input lengths,
                    std::int64_t hidden, bool softmax, const std::string& name) {
  const std::int64_t width = graph.width(target);
  if (hidden < 1 || graph.width(sequence) % width != 0)
    fail("{}: a sequence {} wide does not fit a target {} wide", name, graph.width(sequence), width);
  const std::int64_t length = graph.width(sequence) / width;
  const DinAttention::Tensors tensors{
      parameters.dense(name + "/w1", {4 * width, hidden}, Initialiser::xavier_uniform()),
      parameters.dense(name + "/b1", {hidden}, Initialiser::constant(0)),
      parameters.dense(name + "/alpha", {hidden}, Initialiser::constant(0.25F)),
      parameters.dense(name + "/w2", {hidden, 1}, Initialiser::xavier_uniform()),
      parameters.dense(name + "/b2", {1}, Initialiser::constant(0)),
  };
  const kernels::DinShape shape{graph.call_rows(), length, width, hidden, softmax};
  const Value output = graph.add_value(width, true, name);
  // Contiguous [rows, L], not a matrix with a padded stride: the planner only has to give it room. So is `kept`.
  const Value scores = graph.add_value(length, false, name + "/scores");
  const std::int64_t kept_floats = graph.training() ? graph.device().kernels->din_kept(shape) : 0;
  const Value kept = kept_floats > 0 ? graph.add_value(kept_floats, false, name + "/kept") : Value{};
  OpInfo info;
  info.name = name;
  info.kind = fmt::format("din attention {} × {}, hidden {}{}", length, width, hidden, softmax ? ", softmax" : "");
  info.inputs = {sequence, target};
  info.outputs = {output, scores};
  info.saved = {sequence, target, scores};
  if (kept.valid()) {
    info.outputs.push_back(kept);
    info.saved.push_back(kept);
  }
  info.backward_workspace = graph.device().kernels->din_backward_workspace(shape, 1);
  info.learns = {&tensors.w1, &tensors.b1, &tensors.alpha, &tensors.w2, &tensors.b2};
  info.group = info.kind;
  info.flops = 2.0 * static_cast<double>(length * (width * hidden + hidden + width) + 3 * width * hidden);
  graph.record(std::make_unique<DinAttention>(sequence, target, output, scores, kept, lengths, shape, tensors),
               std::move(info));
  return output;
}

}  // namespace mal::ops

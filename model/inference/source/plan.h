// A network as a list of steps over the rows of a tile. Made from the configuration alone (plan), then cut to the steps
// that the outputs need, given room (each buffer lives from its first to its last step, and shares memory with others),
// and last bound to weights. The exporter uses the same plan to know which tensors a file must hold.
#pragma once

#include "model/inference/source/config.h"
#include "model/inference/source/kernel_table.h"

namespace mal::infer::detail {

// Columns of a buffer [rows, width].
struct Value {
  int buffer = -1;
  std::size_t column = 0, width = 0;
  bool valid() const { return buffer >= 0; }
};

enum class Op {
  linear,       // out = act(in W + b + add)
  mix,          // out = Σ softmax(gates)_e parts_e + Σ self_j parts_(first + j)
  gate,         // out = in ⊙ 2σ(add)
  copy,         // out = in
  field_means,  // out_f = mean of field f of in
  field_scale,  // out = in with field f times 2σ(add_f)
  layer_norm,   // out = the trunk's LayerNorm of in
};
enum class SelfGate { none, sigmoid, softmax, native };

struct ParameterSpec {
  std::string name;
  std::vector<std::uint64_t> shape;
};

struct Step {
  Op op = Op::copy;
  Value in, out, add;
  // linear
  std::string weight, bias, norm;  // names of tensors; no bias, no norm: empty
  bool transposed = false;         // the tensor is [outputs, inputs]
  Activation activation = Activation::none;
  std::vector<Segment> all;  // the one segment that is the whole input
  Weights weights;
  // mix
  Value gates, self;
  std::vector<Value> parts;
  std::size_t self_first = 0, self_count = 0;  // of the parts
  SelfGate self_kind = SelfGate::none;
  std::string native;
  std::vector<float> native_weights;
};

struct Buffer {
  std::size_t width = 0, stride = 0, offset = 0;  // offset in floats a row of the tile
  int first = -1, last = -1;                      // steps
};

struct Field {
  std::size_t first, width;
};

class Plan {
 public:
  std::vector<Step> steps;
  std::vector<Buffer> buffers;
  std::vector<Field> fields;  // of the trunk: what SENet gates
  std::size_t row_floats = 0;

  Value buffer(std::size_t width) {
    Buffer made;
    made.width = width;
    made.stride = padded(width) + kLanes;  // never a power of two: rows would fall into the same cache sets
    buffers.push_back(made);
    return {static_cast<int>(buffers.size()) - 1, 0, width};
  }
  static Value slice(Value of, std::size_t column, std::size_t width) { return {of.buffer, of.column + column, width}; }

  // into: where the result goes; a new buffer unless given. add: added before the activation.
  Value linear(Value x, std::size_t width, Activation activation, const std::string& name, Value into = {},
               Value add = {}) {
    Step step;
    step.op = Op::linear;
    step.weight = name + "/weight";
    step.bias = name + "/bias";
    return record_linear(std::move(step), x, width, activation, into, add);
  }
  Value matrix(Value x, std::size_t width, const std::string& tensor, bool transposed) {
    Step step;
    step.op = Op::linear;
    step.weight = tensor;
    step.transposed = transposed;
    return record_linear(std::move(step), x, width, Activation::none, {}, {});
  }
  Value record_linear(Step step, Value x, std::size_t width, Activation activation, Value into, Value add) {
    step.in = x;
    step.add = add;
    step.activation = activation;
    step.all = {{0, x.width}};
    return record(std::move(step), width, into);
  }
  Value record(Step step, std::size_t width, Value into = {}) {
    step.out = into.valid() ? into : buffer(width);
    steps.push_back(std::move(step));
    return steps.back().out;
  }
  Value unary(Op op, Value in, Value add, std::size_t width, Value into = {}) {
    Step step;
    step.op = op;
    step.in = in;
    step.add = add;
    return record(std::move(step), width, into);
  }
  Value concat(const std::vector<Value>& parts) {
    std::size_t width = 0;
    for (const Value& part : parts) width += part.width;
    const Value out = buffer(width);
    std::size_t column = 0;
    for (const Value& part : parts) {
      unary(Op::copy, part, {}, part.width, slice(out, column, part.width));
      column += part.width;
    }
    return out;
  }

  // Layers NAME/0, NAME/1, …; the last one without activation if linear_last, into `into` plus `add`.
  Value mlp(Value x, const std::vector<std::size_t>& widths, Activation activation, const std::string& name,
            bool linear_last = false, Value into = {}, Value add = {}) {
    for (std::size_t i = 0; i < widths.size(); ++i) {
      const bool last = i + 1 == widths.size();
      x = linear(x, widths[i], last && linear_last ? Activation::none : activation, name + "/" + std::to_string(i),
                 last ? into : Value{}, last ? add : Value{});
    }
    return x;
  }

  // Every field of x times its gate, made of the means of all fields.
  Value senet(Value x, std::size_t reduction, const std::string& name) {
    const Value means = unary(Op::field_means, x, {}, fields.size());
    const std::size_t width = std::max<std::size_t>(1, fields.size() / reduction);
    const Value hidden = linear(means, width, Activation::relu, name + "/0");
    return unary(Op::field_scale, x, linear(hidden, fields.size(), Activation::none, name + "/1"), x.width);
  }

  static std::vector<const Value*> reads(const Step& step) {
    std::vector<const Value*> values = {&step.in, &step.add, &step.gates, &step.self};
    for (const Value& part : step.parts) values.push_back(&part);
    return values;
  }

  static std::vector<ParameterSpec> parameters(const Step& step) {
    std::vector<ParameterSpec> list;
    const std::uint64_t in = step.in.width, out = step.out.width;
    if (!step.weight.empty())
      list.push_back(
          {step.weight, step.transposed ? std::vector<std::uint64_t>{out, in} : std::vector<std::uint64_t>{in, out}});
    if (!step.bias.empty()) list.push_back({step.bias, {out}});
    if (!step.norm.empty())
      for (const char* part : {"/gamma", "/beta", "/mean", "/variance"}) list.push_back({step.norm + part, {out}});
    if (!step.native.empty()) list.push_back({step.native, {step.self_count}});
    return list;
  }

  // Drops the steps that `outputs` do not need and gives buffers their places. Outputs keep theirs to the end.
  bool finish(const std::vector<Value>& outputs, Problem& problem) {
    std::vector<bool> needed(buffers.size());
    for (const Value& output : outputs) needed[static_cast<std::size_t>(output.buffer)] = true;
    std::vector<Step> kept;
    for (std::size_t i = steps.size(); i-- > 0;) {
      if (!needed[static_cast<std::size_t>(steps[i].out.buffer)]) continue;
      for (const Value* value : reads(steps[i]))
        if (value->valid()) needed[static_cast<std::size_t>(value->buffer)] = true;
      kept.push_back(std::move(steps[i]));
    }
    std::reverse(kept.begin(), kept.end());
    steps = std::move(kept);
    for (std::size_t i = 0; i < steps.size(); ++i) {
      touch(steps[i].out, static_cast<int>(i));
      for (const Value* value : reads(steps[i])) touch(*value, static_cast<int>(i));
    }
    for (const Value& output : outputs) touch(output, static_cast<int>(steps.size()));
    touch({0, 0, 0}, 0);  // the trunk
    buffers[0].first = 0;
    return place(problem);
  }

  // Which steps `output` needs.
  std::vector<bool> needed_by(const Value& output) const {
    std::vector<bool> buffer_needed(buffers.size()), step_needed(steps.size());
    buffer_needed[static_cast<std::size_t>(output.buffer)] = true;
    for (std::size_t i = steps.size(); i-- > 0;) {
      if (!buffer_needed[static_cast<std::size_t>(steps[i].out.buffer)]) continue;
      step_needed[i] = true;
      for (const Value* value : reads(steps[i]))
        if (value->valid()) buffer_needed[static_cast<std::size_t>(value->buffer)] = true;
    }
    return step_needed;
  }

 private:
  void touch(const Value& value, int step) {
    if (!value.valid()) return;
    Buffer& buffer = buffers[static_cast<std::size_t>(value.buffer)];
    if (buffer.first < 0) buffer.first = step;
    buffer.last = std::max(buffer.last, step);
  }

  // First fit: below each buffer placed before that lives at the same time.
  bool place(Problem& problem) {
    std::vector<std::size_t> placed;
    for (std::size_t b = 0; b < buffers.size(); ++b) {
      Buffer& buffer = buffers[b];
      if (buffer.first < 0) continue;
      std::vector<std::pair<std::size_t, std::size_t>> taken;  // begin, end
      for (const std::size_t other : placed)
        if (buffers[other].first <= buffer.last && buffer.first <= buffers[other].last)
          taken.emplace_back(buffers[other].offset, buffers[other].offset + buffers[other].stride);
      std::sort(taken.begin(), taken.end());
      buffer.offset = 0;
      for (const auto& [begin, end] : taken) {
        if (buffer.offset + buffer.stride <= begin) break;
        buffer.offset = std::max(buffer.offset, end);
      }
      row_floats = std::max(row_floats, buffer.offset + buffer.stride);
      placed.push_back(b);
    }
    return row_floats <= kMaxFloats || problem.fail("the network is absurdly wide");
  }
};

}  // namespace mal::infer::detail

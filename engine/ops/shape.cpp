// Ops without parameters that move or combine columns: input_values, slice, concat, add, activate, detach.
#include "engine/error.h"
#include "engine/ops.h"

namespace mal::ops {

namespace {

class InputValues final : public Op {
 public:
  InputValues(Graph& graph, std::vector<Input> inputs, Value output)
      : graph_(graph), inputs_(std::move(inputs)), output_(output) {}

  // What lies there as the value would, in one matrix of its own, need not be copied.
  void prepare(const Run& run) override {
    const InputColumn all = run.input(inputs_.front(), 1);
    const bool whole = run.rows > 0 && side_by_side(run, 0) == inputs_.size();
    shown_ = graph_.show(output_, whole ? all.values : nullptr, all.stride) && whole;
  }

  void forward(const Run& run) override {
    if (shown_) return;
    const Matrix out = run.value(output_);
    for (std::size_t i = 0; i < inputs_.size();) {
      const InputColumn first = run.input(inputs_[i], 1);
      const std::size_t count = side_by_side(run, i);
      run.kernels.copy(first.values, first.stride, out.data + i, out.stride, run.rows, static_cast<std::int64_t>(count),
                       false);
      i += count;
    }
  }

 private:
  // How many from the i-th on are columns of one matrix, one beside the other.
  std::size_t side_by_side(const Run& run, std::size_t i) const {
    const InputColumn first = run.input(inputs_[i], 1);
    std::size_t count = 1;
    while (i + count < inputs_.size() && static_cast<std::int64_t>(count) < first.stride &&
           run.input(inputs_[i + count], 1).values == first.values + count &&
           run.input(inputs_[i + count], 1).stride == first.stride)
      ++count;
    return count;
  }

  Graph& graph_;
  std::vector<Input> inputs_;
  Value output_;
  bool shown_ = false;
};

// Used by concat for a part that is already a column range of something else.
class CopyColumns final : public Op {
 public:
  CopyColumns(Value from, Value to, std::int64_t width) : from_(from), to_(to), width_(width) {}

  void forward(const Run& run) override {
    const Matrix from = run.value(from_), to = run.value(to_);
    run.kernels.copy(from.data, from.stride, to.data, to.stride, run.rows, width_, false);
  }

  void backward(const Run& run) override {
    const GradientTarget target = run.gradient_of_input(0);
    const Matrix dout = run.gradient(to_);
    if (target.data != nullptr)
      run.kernels.copy(dout.data, dout.stride, target.data, target.stride, run.rows, width_, target.accumulate);
  }

 private:
  Value from_, to_;
  std::int64_t width_;
};

class Add final : public Op {
 public:
  Add(Value a, Value b, Value output, std::int64_t width) : a_(a), b_(b), output_(output), width_(width) {}

  void forward(const Run& run) override {
    const Matrix a = run.value(a_), b = run.value(b_), y = run.value(output_);
    run.kernels.add_forward(a.data, a.stride, b.data, b.stride, y.data, y.stride, run.rows, width_);
  }

  void backward(const Run& run) override {
    const Matrix dy = run.gradient(output_);
    const GradientTarget a = run.gradient_of_input(0), b = run.gradient_of_input(1);
    run.kernels.add_backward(dy.data, dy.stride, a.data, a.stride, a.accumulate, b.data, b.stride, b.accumulate,
                             run.rows, width_);
  }

  kernels::ChainForward forward_step(const Run& run) const override {
    const Matrix a = run.value(a_), b = run.value(b_), y = run.value(output_);
    return {.x = a.data,
            .ldx = a.stride,
            .addend = b.data,
            .ldaddend = b.stride,
            .y = y.data,
            .ldy = y.stride,
            .inputs = width_,
            .outputs = width_};
  }

  kernels::ChainBackward backward_step(const Run& run) const override {
    const Matrix dy = run.gradient(output_);
    const GradientTarget a = run.gradient_of_input(0), b = run.gradient_of_input(1);
    return {.dy = dy.data,
            .lddy = dy.stride,
            .dx = a.data,
            .lddx = a.stride,
            .accumulate = a.accumulate,
            .daddend = b.data,
            .lddaddend = b.stride,
            .accumulate_addend = b.accumulate,
            .inputs = width_,
            .outputs = width_};
  }

 private:
  Value a_, b_, output_;
  std::int64_t width_;
};

class Activate final : public Op {
 public:
  Activate(Value x, Value y, std::int64_t width, Activation activation)
      : x_(x), y_(y), width_(width), activation_(activation) {}

  void forward(const Run& run) override {
    const Matrix x = run.value(x_), y = run.value(y_);
    run.kernels.activation_forward(x.data, x.stride, y.data, y.stride, run.rows, width_, activation_);
  }

  void backward(const Run& run) override {
    const Matrix y = run.value(y_), dy = run.gradient(y_);
    const GradientTarget dx = run.gradient_of_input(0);
    if (dx.data != nullptr)
      run.kernels.activation_backward(y.data, y.stride, dy.data, dy.stride, dx.data, dx.stride, dx.accumulate, run.rows,
                                      width_, activation_);
  }

 private:
  Value x_, y_;
  std::int64_t width_;
  Activation activation_;
};

}  // namespace

Value input_values(Graph& graph, const std::vector<Input>& inputs, const std::string& name) {
  const Value output = graph.add_value(static_cast<std::int64_t>(inputs.size()), false, name);
  OpInfo info;
  info.name = name;
  info.kind = fmt::format("{} numbers of the batch", inputs.size());
  info.outputs = {output};
  info.has_backward = false;
  graph.record(std::make_unique<InputValues>(graph, inputs, output), std::move(info));
  return output;
}

Value slice(Graph& graph, Value x, std::int64_t first_column, std::int64_t width) {
  return graph.add_view(x, first_column, width, true,
                        fmt::format("{}[{}:{}]", graph.name(x), first_column, first_column + width));
}

Value detach(Graph& graph, Value x) {
  const Value view = graph.add_view(x, 0, graph.width(x), false, graph.name(x) + "/detached");
  graph.set_detached(view);
  return view;
}

Value concat(Graph& graph, const std::vector<Value>& parts, const std::string& name) {
  std::int64_t width = 0;
  bool needs_gradient = false;
  for (const Value part : parts) {
    width += graph.width(part);
    needs_gradient = needs_gradient || graph.needs_gradient(part);
  }
  const Value whole = graph.add_value(width, needs_gradient, name);
  std::int64_t column = 0;
  for (const Value part : parts) {
    const std::int64_t part_width = graph.width(part);
    // A detached part shares its memory, and would share its gradient's: it may only move where there is none.
    const bool movable = !(graph.detached(part) && needs_gradient);
    if (graph.detached(part) && movable) graph.set_detached(whole);
    if (!movable || !graph.move_into(part, whole, column)) {
      const Value place = graph.add_view(whole, column, part_width, graph.needs_gradient(part), name + "/part");
      OpInfo info;
      info.name = name;
      info.kind = fmt::format("copy of {} columns", part_width);
      info.inputs = {part};
      info.outputs = {place};
      info.has_backward = graph.needs_gradient(part);
      graph.record(std::make_unique<CopyColumns>(part, place, part_width), std::move(info));
    }
    column += part_width;
  }
  return whole;
}

Value add(Graph& graph, Value a, Value b, const std::string& name) {
  const std::int64_t width = graph.width(a);
  if (graph.width(b) != width)
    fail_usage("{}: cannot add {} ({} wide) and {} ({} wide)", name, graph.name(a), width, graph.name(b),
               graph.width(b));
  const Value y = graph.add_value(width, graph.needs_gradient(a) || graph.needs_gradient(b), name);
  OpInfo info;
  info.name = name;
  info.kind = fmt::format("sum of two, {} wide", width);
  info.inputs = {a, b};
  info.outputs = {y};
  info.chains = graph.device().kernels->chains_layer(width, 1);
  info.flops = static_cast<double>(width);
  graph.record(std::make_unique<Add>(a, b, y, width), std::move(info));
  return y;
}

Value activate(Graph& graph, Value x, Activation activation, const std::string& name) {
  if (activation == Activation::none) return x;
  const std::int64_t width = graph.width(x);
  const Value y = graph.add_value(width, graph.needs_gradient(x), name);
  OpInfo info;
  info.name = name;
  info.kind = fmt::format("relu {}", width);
  info.inputs = {x};
  info.outputs = {y};
  info.saved = {y};
  info.flops = static_cast<double>(width);
  graph.record(std::make_unique<Activate>(x, y, width, activation), std::move(info));
  return y;
}

}  // namespace mal::ops

// field_mean and field_scale: the two ends of a SENet gate.
#include "engine/error.h"
#include "engine/ops.h"

namespace mal::ops {

namespace {

using Offsets = std::vector<std::int32_t>;  // F + 1

std::int64_t fields_of(const Offsets& offsets) {
  return static_cast<std::int64_t>(offsets.size()) - 1;
}

class FieldMean final : public Op {
 public:
  FieldMean(Value x, Value mean, Offsets offsets) : x_(x), mean_(mean), offsets_(std::move(offsets)) {}

  void forward(const Run& run) override {
    const Matrix x = run.value(x_), mean = run.value(mean_);
    run.kernels.field_mean_forward(x.data, x.stride, offsets_.data(), fields_of(offsets_), mean.data, mean.stride,
                                   run.rows);
  }

  void backward(const Run& run) override {
    const Matrix dmean = run.gradient(mean_);
    const GradientTarget dx = run.gradient_of_input(0);
    if (dx.data != nullptr)
      run.kernels.field_mean_backward(dmean.data, dmean.stride, offsets_.data(), fields_of(offsets_), dx.data,
                                      dx.stride, dx.accumulate, run.rows);
  }

 private:
  Value x_, mean_;
  Offsets offsets_;
};

class FieldScale final : public Op {
 public:
  FieldScale(Value x, Value logits, Value y, Offsets offsets)
      : x_(x), logits_(logits), y_(y), offsets_(std::move(offsets)) {}

  void forward(const Run& run) override {
    const Matrix x = run.value(x_), logits = run.value(logits_), y = run.value(y_);
    run.kernels.field_scale_forward(x.data, x.stride, logits.data, logits.stride, offsets_.data(), fields_of(offsets_),
                                    y.data, y.stride, run.rows);
  }

  void backward(const Run& run) override {
    const Matrix x = run.value(x_), logits = run.value(logits_), dy = run.gradient(y_);
    const GradientTarget dx = run.gradient_of_input(0), dlogits = run.gradient_of_input(1);
    run.kernels.field_scale_backward(x.data, x.stride, logits.data, logits.stride, offsets_.data(), fields_of(offsets_),
                                     dy.data, dy.stride, dx.data, dx.stride, dx.accumulate, dlogits.data,
                                     dlogits.stride, dlogits.accumulate, run.rows);
  }

 private:
  Value x_, logits_, y_;
  Offsets offsets_;
};

Offsets offsets_of(const Graph& graph, Value x, const std::vector<std::int64_t>& widths, const std::string& name) {
  Offsets offsets = {0};
  for (const std::int64_t width : widths) {
    if (width < 1) fail("{}: a field is {} wide", name, width);
    offsets.push_back(offsets.back() + static_cast<std::int32_t>(width));
  }
  if (widths.empty() || offsets.back() != graph.width(x))
    fail("{}: {} fields cover {} of {} columns", name, widths.size(), offsets.back(), graph.width(x));
  return offsets;
}

}  // namespace

Value field_mean(Graph& graph, Value x, const std::vector<std::int64_t>& widths, const std::string& name) {
  Offsets offsets = offsets_of(graph, x, widths, name);
  const Value mean = graph.add_value(fields_of(offsets), graph.needs_gradient(x), name);
  OpInfo info;
  info.name = name;
  info.kind = fmt::format("means of {} fields", widths.size());
  info.inputs = {x};
  info.outputs = {mean};
  info.flops = static_cast<double>(graph.width(x));
  graph.record(std::make_unique<FieldMean>(x, mean, std::move(offsets)), std::move(info));
  return mean;
}

Value field_scale(Graph& graph, Value x, Value logits, const std::vector<std::int64_t>& widths,
                  const std::string& name) {
  Offsets offsets = offsets_of(graph, x, widths, name);
  if (graph.width(logits) != fields_of(offsets))
    fail("{}: {} logits for {} fields", name, graph.width(logits), widths.size());
  const Value y = graph.add_value(graph.width(x), true, name);
  OpInfo info;
  info.name = name;
  info.kind = fmt::format("scale of {} fields", widths.size());
  info.inputs = {x, logits};
  info.outputs = {y};
  info.saved = {x, logits};
  info.flops = static_cast<double>(graph.width(x));
  graph.record(std::make_unique<FieldScale>(x, logits, y, std::move(offsets)), std::move(info));
  return y;
}

}  // namespace mal::ops

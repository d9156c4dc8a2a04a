#include "engine/error.h"
#include "engine/ops.h"

namespace mal::ops {

namespace {

class MultiHeadAttention final : public Op {
 public:
  struct Tensors {
    Parameter &key, &value, &value_bias, &output, &output_bias;
  };

  MultiHeadAttention(Value sequence, Value query, Value out, Value probabilities, Input lengths,
                     kernels::MultiHeadShape shape, Tensors tensors)
      : sequence_(sequence),
        query_(query),
        out_(out),
        probabilities_(probabilities),
        lengths_(lengths),
        shape_(shape),
        tensors_(tensors) {}

  void forward(const Run& run) override {
    const Matrix sequence = run.value(sequence_), query = run.value(query_), out = run.value(out_);
    run.kernels.multi_head_forward(shape(run), weights(), query.data, query.stride, sequence.data, sequence.stride,
                                   run.input(lengths_, shape_.length).lengths, out.data, out.stride,
                                   run.value(probabilities_).data);
  }

  void backward(const Run& run) override {
    const Matrix sequence = run.value(sequence_), query = run.value(query_), dout = run.gradient(out_);
    const GradientTarget dsequence = run.gradient_of_input(0), dquery = run.gradient_of_input(1);
    const kernels::MultiHeadGradients gradients{run.gradient_of(tensors_.key), run.gradient_of(tensors_.value),
                                                run.gradient_of(tensors_.value_bias), run.gradient_of(tensors_.output),
                                                run.gradient_of(tensors_.output_bias)};
    run.kernels.multi_head_backward(shape(run), weights(), query.data, query.stride, sequence.data, sequence.stride,
                                    run.input(lengths_, shape_.length).lengths, run.value(probabilities_).data,
                                    dout.data, dout.stride, dquery.data, dquery.stride, dquery.accumulate,
                                    dsequence.data, dsequence.stride, dsequence.accumulate, gradients, run.workspace());
  }

 private:
  kernels::MultiHeadShape shape(const Run& run) const { return {run.rows, shape_.length, shape_.width, shape_.heads}; }
  kernels::MultiHeadParameters weights() const {
    return {tensors_.key.value.data(), tensors_.value.value.data(), tensors_.value_bias.value.data(),
            tensors_.output.value.data(), tensors_.output_bias.value.data()};
  }

  Value sequence_, query_, out_, probabilities_;
  Input lengths_;
  kernels::MultiHeadShape shape_;
  Tensors tensors_;
};

}  // namespace

Value multi_head_attention(Graph& graph, Parameters& parameters, Value sequence, Value query, Input lengths,
                           std::int64_t heads, const std::string& name) {
  const std::int64_t width = graph.width(query);
  if (graph.width(sequence) % width != 0)
    fail("{}: a sequence {} wide does not fit a query {} wide", name, graph.width(sequence), width);
  if (heads < 1 || width % heads != 0)
    fail_usage("model.interaction.heads: model.embedding_dim {} does not divide into {} heads; choose a divisor of it",
               width, heads);
  const std::int64_t length = graph.width(sequence) / width;
  const Initialiser xavier = Initialiser::xavier_uniform(), zeros = Initialiser::constant(0);
  const MultiHeadAttention::Tensors tensors{parameters.dense(name + "/key/weight", {width, width}, xavier),
                                            parameters.dense(name + "/value/weight", {width, width}, xavier),
                                            parameters.dense(name + "/value/bias", {width}, zeros),
                                            parameters.dense(name + "/output/weight", {width, width}, xavier),
                                            parameters.dense(name + "/output/bias", {width}, zeros)};
  const kernels::MultiHeadShape shape{graph.call_rows(), length, width, heads};
  const Value out = graph.add_value(width, true, name);
  const Value probabilities = graph.add_value(heads * length, false, name + "/probabilities");  // contiguous
  OpInfo info;
  info.name = name;
  info.kind = fmt::format("multi-head attention {} × {}, {} heads", length, width, heads);
  info.inputs = {sequence, query};
  info.outputs = {out, probabilities};
  info.saved = {sequence, query, probabilities};
  info.backward_workspace = graph.device().kernels->multi_head_backward_workspace(shape);
  info.learns = {&tensors.key, &tensors.value, &tensors.value_bias, &tensors.output, &tensors.output_bias};
  info.flops = 2.0 * static_cast<double>(3 * width * width + 2 * heads * length * width);
  graph.record(std::make_unique<MultiHeadAttention>(sequence, query, out, probabilities, lengths, shape, tensors),
               std::move(info));
  return out;
}

}  // namespace mal::ops

#include "engine/error.h"
#include "engine/ops.h"
#include "engine/scratch.h"

namespace mal::ops {

namespace {

struct SimTierShape {
  std::int64_t length, tiers, width;
};

void check(const SimTierShape& shape, const std::string& name) {
  if (shape.length < 1 || shape.tiers < 1 || shape.width < 1)
    fail_usage("{}: {} scores in {} tiers of width {} are not possible", name, shape.length, shape.tiers, shape.width);
}

class SimTierCount final : public Op {
 public:
  SimTierCount(Input scores, Value output, SimTierShape shape, bool log1p)
      : scores_(scores), output_(output), shape_(shape), log1p_(log1p) {}

  void forward(const Run& run) override {
    const InputColumn column = run.input(scores_, shape_.length);
    const Matrix out = run.value(output_);
    run.kernels.simtier_count_forward(column.values, shape_.length, column.lengths, out.data, out.stride, run.rows,
                                      shape_.tiers, log1p_);
  }

 private:
  Input scores_;
  Value output_;
  SimTierShape shape_;
  bool log1p_;
};

class SimTierEmbedding final : public Op {
 public:
  SimTierEmbedding(Input scores, Value output, SimTierShape shape, Parameter& table)
      : scores_(scores), output_(output), shape_(shape), table_(table) {}

  void forward(const Run& run) override {
    const Member self{this, run};
    forward_group({&self, 1});
  }
  void backward(const Run& run) override {
    const Member self{this, run};
    backward_group({&self, 1});
  }

  void forward_group(std::span<const Member> members) override {
    std::vector<kernels::SimTierForward>& calls = scratch_list<kernels::SimTierForward>();
    for (const Member& member : members) {
      const auto& column = static_cast<const SimTierEmbedding&>(*member.op);
      const InputColumn scores = member.run.input(column.scores_, column.shape_.length);
      const Matrix out = member.run.value(column.output_);
      calls.push_back({scores.values, scores.lengths, column.table_.value.data(), out.data, out.stride});
    }
    const Run& run = members.front().run;
    run.kernels.simtier_embedding_forward(calls.data(), static_cast<std::int32_t>(members.size()), run.rows,
                                          shape_.length, shape_.tiers, shape_.width);
  }
  void backward_group(std::span<const Member> members) override {
    std::vector<kernels::SimTierBackward>& calls = scratch_list<kernels::SimTierBackward>();
    for (const Member& member : members) {
      const auto& column = static_cast<const SimTierEmbedding&>(*member.op);
      const InputColumn scores = member.run.input(column.scores_, column.shape_.length);
      const Matrix dout = member.run.gradient(column.output_);
      calls.push_back({scores.values, scores.lengths, dout.data, dout.stride, member.run.gradient_of(column.table_)});
    }
    const Run& run = members.front().run;
    run.kernels.simtier_embedding_backward(calls.data(), static_cast<std::int32_t>(members.size()), run.rows,
                                           shape_.length, shape_.tiers, shape_.width, run.workspace());
  }
  std::int64_t group_workspace(const Graph& graph, std::span<const Op* const> members) const override {
    return graph.device().kernels->simtier_embedding_backward_workspace(static_cast<std::int32_t>(members.size()),
                                                                        graph.call_rows(), shape_.tiers, shape_.width);
  }

 private:
  Input scores_;
  Value output_;
  SimTierShape shape_;
  Parameter& table_;
};

}  // namespace

Value simtier_count(Graph& graph, Input scores, std::int64_t length, std::int64_t tiers, bool log1p,
                    const std::string& name) {
  const SimTierShape shape{length, tiers, 1};
  check(shape, name);
  const Value output = graph.add_value(tiers, false, name);
  OpInfo info;
  info.name = name;
  info.kind = fmt::format("simtier counts, {} scores in {} tiers{}", length, tiers, log1p ? ", log1p" : "");
  info.outputs = {output};
  info.has_backward = false;
  graph.record(std::make_unique<SimTierCount>(scores, output, shape, log1p), std::move(info));
  return output;
}

Value simtier_embedding(Graph& graph, Parameters& parameters, Input scores, std::int64_t length, std::int64_t tiers,
                        std::int64_t width, const std::string& name) {
  const SimTierShape shape{length, tiers, width};
  check(shape, name);
  Parameter& table = parameters.dense(name + "/tiers", {tiers, width}, Initialiser::xavier_uniform());
  const Value output = graph.add_value(tiers * width, true, name);
  OpInfo info;
  info.name = name;
  info.kind = fmt::format("simtier embedding, {} scores in {} tiers × {}", length, tiers, width);
  info.outputs = {output};
  info.backward_workspace =
      graph.device().kernels->simtier_embedding_backward_workspace(1, graph.call_rows(), tiers, width);
  info.learns = {&table};
  info.group = info.kind;
  info.flops = static_cast<double>(tiers * width);
  graph.record(std::make_unique<SimTierEmbedding>(scores, output, shape, table), std::move(info));
  return output;
}

}  // namespace mal::ops

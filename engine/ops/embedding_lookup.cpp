#include <algorithm>
#include <deque>

#include "engine/error.h"
#include "engine/ops.h"
#include "engine/scratch.h"

namespace mal::ops {

namespace {

using kernels::Lookup;
using kernels::LookupGradient;
using kernels::TableGradient;

// The sparse gradient of one table, with the memory that the backward kernel needs.
struct TableWork {
  EmbeddingTable* table = nullptr;
  std::vector<std::size_t> features;  // which specs look up here
  std::vector<LookupGradient> lookups;
  Buffer rows, values, count;
  SparseGradient result;
};

class EmbeddingLookup final : public Op {
 public:
  EmbeddingLookup(std::vector<LookupSpec> specs, std::vector<Value> outputs)
      : specs_(std::move(specs)), outputs_(std::move(outputs)) {}

  void plan_gradients(Graph& graph) {
    for (std::size_t f = 0; f < specs_.size(); ++f) {
      auto found = std::ranges::find(tables_, specs_[f].table, &TableWork::table);
      TableWork& work = found == tables_.end() ? tables_.emplace_back() : *found;
      work.table = specs_[f].table;
      work.features.push_back(f);
    }
    std::int64_t occurrences = 0;
    std::int32_t width = 0;
    for (TableWork& work : tables_) {
      std::size_t capacity = 0;
      for (const std::size_t f : work.features)
        capacity += static_cast<std::size_t>(graph.max_rows()) * static_cast<std::size_t>(specs_[f].length);
      occurrences += static_cast<std::int64_t>(capacity);
      width = std::max(width, work.table->width());
      work.lookups.resize(work.features.size());
      const Device& device = graph.device();
      const std::string what = "the gradient of table " + work.table->name();
      const Purpose purpose{what, "lower train.batch_size"};
      work.rows = Buffer(device.memory, capacity * sizeof(std::int32_t), purpose);
      work.values =
          Buffer(device.memory, capacity * static_cast<std::size_t>(work.table->width()) * sizeof(float), purpose);
      work.count = Buffer(device.memory, sizeof(std::int64_t), purpose);
      work.result = {work.table,
                     work.rows.as<std::int32_t>(),
                     work.values.as<float>(),
                     work.count.as<std::int64_t>(),
                     static_cast<std::int64_t>(capacity),
                     &work.count};
      graph.add_sparse_gradient(&work.result);
    }
    gradients_.resize(tables_.size());
    workspace_ = Buffer(
        graph.device().memory,
        static_cast<std::size_t>(graph.device().kernels->embedding_backward_workspace(
            static_cast<std::int32_t>(tables_.size()), static_cast<std::int32_t>(specs_.size()), occurrences, width)),
        {"the sorted ids of a batch", "lower train.batch_size"});
  }

  void forward(const Run& run) override {
    std::vector<Lookup>& lookups = scratch_list<Lookup>();
    for (std::size_t f = 0; f < specs_.size(); ++f) {
      const LookupSpec& spec = specs_[f];
      const InputColumn column = run.input(spec.input, spec.length);
      const Matrix out = run.value(outputs_[f]);
      lookups.push_back({spec.table->data(), spec.table->row_stride(), column.ids, column.lengths, spec.length,
                         spec.table->width(), spec.pooling, out.data, out.stride});
    }
    run.kernels.embedding_forward(lookups.data(), static_cast<std::int32_t>(lookups.size()), run.rows);
  }

  void backward(const Run& run) override {
    for (std::size_t t = 0; t < tables_.size(); ++t) {
      TableWork& work = tables_[t];
      for (std::size_t k = 0; k < work.features.size(); ++k) {
        const LookupSpec& spec = specs_[work.features[k]];
        const InputColumn column = run.input(spec.input, spec.length);
        const Matrix dout = run.gradient(outputs_[work.features[k]]);
        work.lookups[k] = {column.ids, column.lengths, spec.length, spec.pooling, dout.data, dout.stride};
      }
      gradients_[t] = TableGradient{work.lookups.data(),          static_cast<std::int32_t>(work.lookups.size()),
                                    work.table->width(),          work.table->rows(),
                                    work.rows.as<std::int32_t>(), work.values.as<float>(),
                                    work.count.as<std::int64_t>()};
    }
    run.kernels.embedding_backward(gradients_.data(), static_cast<std::int32_t>(gradients_.size()), run.rows,
                                   workspace_.data());
  }

 private:
  std::vector<LookupSpec> specs_;
  std::vector<Value> outputs_;
  std::deque<TableWork> tables_;  // results are referred to by address
  std::vector<TableGradient> gradients_;
  Buffer workspace_;  // of all tables
};

}  // namespace

LookupResult embedding_lookup(Graph& graph, const std::vector<LookupSpec>& specs, const std::string& name) {
  if (specs.empty()) fail_usage("{}: the schema has no id, ids or sequence column to embed", name);
  LookupResult result;
  std::vector<Value> block;
  std::int64_t positions = 0;
  for (const LookupSpec& spec : specs) {
    if (spec.length < 1) fail("{}: a feature of table {} has length {}", name, spec.table->name(), spec.length);
    const bool pooled = spec.pooling != Pooling::none;
    const std::int64_t width = spec.table->width() * (pooled ? 1 : spec.length);
    const std::string& column = graph.input_names()[static_cast<std::size_t>(spec.input.id)];
    result.features.push_back(graph.add_value(width, true, fmt::format("{}/{}", name, column)));
    if (spec.side_by_side) block.push_back(result.features.back());
    positions += spec.length;
  }
  auto op = std::make_unique<EmbeddingLookup>(specs, result.features);
  if (graph.training()) op->plan_gradients(graph);
  OpInfo info;
  info.name = name;
  info.kind = fmt::format("embedding lookup, {} features, {} rows a sample", specs.size(), positions);
  info.outputs = result.features;
  info.whole_batch_backward = true;  // one gradient a row that the batch touches
  for (const LookupSpec& spec : specs) info.flows.push_back({{}, {}, {spec.table}});
  graph.record(std::move(op), std::move(info));
  if (!block.empty()) result.block = concat(graph, block, name + "/block");
  return result;
}

}  // namespace mal::ops

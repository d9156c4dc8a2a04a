#include "train/trainer/evaluator.h"

#include "engine/error.h"
#include "train/config/progress.h"
#include "train/data/batch_reader.h"
#include "train/trainer/network.h"

namespace mal {

namespace {

int slice_column(const Schema& schema, const std::string& name) {
  const auto column = schema.find(name);
  if (column && schema.columns[static_cast<std::size_t>(*column)].kind == ColumnKind::slice) return *column;
  std::string names;
  for (const int c : schema.columns_of(ColumnKind::slice))
    names += (names.empty() ? "" : ", ") + schema.columns[static_cast<std::size_t>(c)].name;
  fail_usage("there is no slice column '{}' in the data set; it has: {}", name, names.empty() ? "none" : names);
}

// Copies what the metrics need of one batch.
class Collector {
 public:
  Collector(const Schema& schema, const std::string& primary, const std::vector<std::string>& slices, std::int64_t rows)
      : credit_(*schema.find(primary)) {
    const std::vector<int> groups = schema.columns_of(ColumnKind::group);
    if (!groups.empty()) group_ = groups.front();
    for (const int weight : schema.columns_of(ColumnKind::weight)) weight_ = weight;
    for (const std::string& slice : slices) slice_columns_.push_back(slice_column(schema, slice));
    result_.slices.resize(slices.size());
    const auto count = static_cast<std::size_t>(rows);
    result_.scored.logits.reserve(count);
    result_.scored.credits.reserve(count);
    if (group_ >= 0) result_.scored.groups.reserve(count);
  }

  // logits: `width` of each row, the primary view's first.
  void add(const Batch& batch, const std::vector<float>& logits, std::int64_t width) {
    for (std::size_t i = 0; i < logits.size(); i += static_cast<std::size_t>(width))
      result_.scored.logits.push_back(logits[i]);
    append(result_.scored.credits, column(batch, credit_).values, batch.rows);
    if (weight_ >= 0) append(result_.scored.weights, column(batch, weight_).values, batch.rows);
    if (group_ >= 0) append(result_.scored.groups, column(batch, group_).keys, batch.rows);
    for (std::size_t s = 0; s < slice_columns_.size(); ++s)
      append(result_.slices[s], column(batch, slice_columns_[s]).ids, batch.rows);
  }

  ScoredSplit take() { return std::move(result_); }

 private:
  static const BatchColumn& column(const Batch& batch, int index) {
    return batch.columns[static_cast<std::size_t>(index)];
  }
  template <typename T>
  static void append(std::vector<T>& to, const std::vector<T>& from, std::int64_t rows) {
    to.insert(to.end(), from.begin(), from.begin() + rows);
  }

  int credit_, group_ = -1, weight_ = -1;
  std::vector<int> slice_columns_;
  ScoredSplit result_;
};

}  // namespace

void check_slices(const Schema& schema, const std::vector<std::string>& slices) {
  for (const std::string& slice : slices) slice_column(schema, slice);
}

ScoredSplit score_split(const Device& device, Parameters& parameters, const ModelConfig& config, const Dataset& dataset,
                        Split split, std::int64_t batch_size, const std::vector<std::string>& slices) {
  Network network(device, parameters, dataset.schema(), config, batch_size, false);
  const std::int64_t rows = dataset.rows(split);
  Collector collector(dataset.schema(), config.primary, slices, rows);
  BatchReader reader(dataset, split, batch_size);
  Progress progress("evaluating", static_cast<std::uint64_t>(rows));
  while (const Batch* batch = reader.next()) {
    network.forward(*batch);
    const Value logits = network.model.logits;
    collector.add(*batch, network.graph.read(logits, batch->rows), network.graph.width(logits));
    progress.update(static_cast<std::uint64_t>(batch->first_row + batch->rows));
  }
  return collector.take();
}

}  // namespace mal

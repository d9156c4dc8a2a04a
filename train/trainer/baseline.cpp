#include "train/trainer/baseline.h"

#include "engine/error.h"
#include "train/data/batch_reader.h"

namespace mal {

namespace {

constexpr std::int64_t kBatch = 8192;

// Index of the configured id column, or of the first one of the ad's side; −1 if there is none.
int key_column(const Schema& schema, const std::string& column) {
  if (!column.empty()) {
    const auto found = schema.find(column);
    if (!found || schema.columns[static_cast<std::size_t>(*found)].kind != ColumnKind::id)
      fail_usage("eval.baseline: the data set has no id column '{}'", column);
    return *found;
  }
  for (const int c : schema.columns_of(ColumnKind::id))
    if (schema.columns[static_cast<std::size_t>(c)].side == Side::ad) return c;
  return -1;
}

}  // namespace

RateCounter::RateCounter(const Schema& schema, const std::string& primary, const std::string& column,
                         double weight_mean)
    : key_(key_column(schema, column)), credit_(*schema.find(primary)), weight_mean_(weight_mean) {
  for (const int weight : schema.columns_of(ColumnKind::weight)) weight_ = weight;
  if (active()) name_ = schema.columns[static_cast<std::size_t>(key_)].name;
}

void RateCounter::count(const Batch& batch) {
  if (!active()) return;
  const BatchColumn& keys = batch.columns[static_cast<std::size_t>(key_)];
  const BatchColumn& credits = batch.columns[static_cast<std::size_t>(credit_)];
  for (std::size_t r = 0; r < static_cast<std::size_t>(batch.rows); ++r) {
    double weight = 1;
    if (weight_ >= 0)
      weight = static_cast<double>(batch.columns[static_cast<std::size_t>(weight_)].values[r]) / weight_mean_;
    rates_.add(keys.ids[r], credits.values[r], weight);
  }
}

Metrics RateCounter::evaluate(const Dataset& dataset, const Scored& scored) const {
  Scored predicted = scored;
  predicted.logits.clear();
  BatchReader reader(dataset, Split::test, kBatch);
  while (const Batch* batch = reader.next())
    for (std::size_t r = 0; r < static_cast<std::size_t>(batch->rows); ++r)
      predicted.logits.push_back(rates_.predict(batch->columns[static_cast<std::size_t>(key_)].ids[r]));
  return mal::evaluate(predicted);
}

}  // namespace mal

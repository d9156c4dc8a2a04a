#include "train/serving/dataset_scores.h"

#include <algorithm>
#include <limits>

#include "engine/error.h"
#include "train/config/progress.h"
#include "train/data/batch_reader.h"
#include "train/serving/require.h"
#include "train/trainer/run_directory.h"

namespace mal {

namespace {

constexpr std::int64_t kBatchRows = 1024;

}  // namespace

RowFeatures::RowFeatures(const infer::Model& model, const Schema& schema) : schema_(schema) {
  std::size_t found = 0;
  for (const Column& column : schema.columns) {
    columns_.push_back(model.column(column.name));
    found += columns_.back().valid() ? 1 : 0;
  }
  if (found != model.columns().size()) fail("the model reads columns that the data set does not have");
}

void RowFeatures::read(const Batch& batch, std::int64_t row, infer::Features& features) const {
  features.clear();
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    if (!columns_[c].valid()) continue;
    const BatchColumn& column = batch.columns[c];
    const bool list = !column.lengths.empty();
    const auto at = static_cast<std::size_t>(row) * static_cast<std::size_t>(list ? schema_.columns[c].length : 1);
    const std::size_t count = list ? static_cast<std::size_t>(column.lengths[static_cast<std::size_t>(row)]) : 1;
    if (!schema_.columns[c].table.empty())
      require(features.try_set_rows(columns_[c], column.ids.data() + at, count));
    else if (list)
      require(features.try_set(columns_[c], column.values.data() + at, count));
    else if (schema_.columns[c].indicator && batch.columns[c + 1].values[at] != 0)
      require(features.try_set_scaled(columns_[c], std::numeric_limits<float>::quiet_NaN()));
    else
      require(features.try_set_scaled(columns_[c], column.values[at]));
  }
}

void check_same_data(const infer::Model& model, const std::string& model_path, const std::string& dataset) {
  if (model.metadata("vocabularies") != vocabulary_fingerprint(dataset))
    fail("{}: the model was trained with other vocabularies than those of {}; give the data set that it was trained on",
         model_path, dataset);
}

HeaderScores score_with_header(const infer::Model& model, const Dataset& dataset, Split split) {
  const Schema& schema = dataset.schema();
  const RowFeatures reader(model, schema);
  const auto credit = schema.find(model.primary());
  if (!credit) fail("the data set has no view '{}', which the model predicts", model.primary());
  infer::Scorer scorer = model.scorer();
  std::vector<infer::Features> features(kBatchRows, model.features());
  HeaderScores scores;
  const auto rows = static_cast<std::size_t>(dataset.rows(split));
  for (auto* vector : {&scores.logits, &scores.probabilities}) vector->resize(rows);
  scores.credits.reserve(rows);
  BatchReader batches(dataset, split, kBatchRows);
  Progress progress("scoring with mal_infer.h", static_cast<std::uint64_t>(rows));
  while (const Batch* batch = batches.next()) {
    for (std::int64_t r = 0; r < batch->rows; ++r) reader.read(*batch, r, features[static_cast<std::size_t>(r)]);
    infer::Predictions out;
    out.probability = scores.probabilities.data() + batch->first_row;
    out.logit = scores.logits.data() + batch->first_row;
    require(scorer.try_predict(features.data(), static_cast<std::size_t>(batch->rows), out));
    const std::vector<float>& values = batch->columns[static_cast<std::size_t>(*credit)].values;
    for (const int weight : schema.columns_of(ColumnKind::weight)) {
      const std::vector<float>& of_rows = batch->columns[static_cast<std::size_t>(weight)].values;
      scores.weights.insert(scores.weights.end(), of_rows.begin(), of_rows.begin() + batch->rows);
    }
    scores.credits.insert(scores.credits.end(), values.begin(), values.begin() + batch->rows);
    progress.update(static_cast<std::uint64_t>(batch->first_row + batch->rows));
  }
  return scores;
}

}  // namespace mal

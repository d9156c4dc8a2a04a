// Scores rows of a data set with mal_infer.h, as an ad server would.
#pragma once

#include <vector>

#include "model/inference/mal_infer.h"
#include "train/data/dataset.h"
#include "train/metrics/sample.h"

namespace mal {

// The columns of a batch's row that the model reads, by the data set's table rows and stored numbers. The model must be
// of the data set's schema and vocabularies: check_same_data says whether it is.
class RowFeatures {
 public:
  RowFeatures(const infer::Model& model, const Schema& schema);
  void read(const Batch& batch, std::int64_t row, infer::Features& features) const;

 private:
  std::vector<infer::Column> columns_;  // one a column of the schema; invalid: not read
  const Schema& schema_;
};

// Error unless the model file was exported from a run on these vocabularies.
void check_same_data(const infer::Model& model, const std::string& model_path, const std::string& dataset);

struct HeaderScores {
  std::vector<float> logits, probabilities, credits;  // one a row; credits of the primary view
  std::vector<float> weights;                         // likewise; empty where the data set has none
};
HeaderScores score_with_header(const infer::Model& model, const Dataset& dataset, Split split);

}  // namespace mal

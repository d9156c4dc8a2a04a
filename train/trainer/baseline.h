// The predictor that any model must beat: the smoothed average rate of the ad, counted while training reads the data.
#pragma once

#include <string>

#include "model/batch.h"
#include "model/schema.h"
#include "train/data/dataset.h"
#include "train/metrics/metrics.h"
#include "train/metrics/rate_table.h"

namespace mal {

class RateCounter {
 public:
  // column: an id column; empty: the first id of the ad's side. Without one it counts nothing.
  // weight_mean: as of Network.
  RateCounter(const Schema& schema, const std::string& primary, const std::string& column, double weight_mean = 1);

  bool active() const { return key_ >= 0; }
  const std::string& column() const { return name_; }
  void count(const Batch& batch);
  // The metrics of its predictions for the test split, whose labels `scored` holds.
  Metrics evaluate(const Dataset& dataset, const Scored& scored) const;

 private:
  int key_ = -1, credit_ = -1, weight_ = -1;
  double weight_mean_ = 1;  // the prior is in rows of the average weight
  std::string name_;
  RateTable rates_;
};

}  // namespace mal

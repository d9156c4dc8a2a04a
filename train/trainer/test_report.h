// Test metrics for people: overall and by slice.
#pragma once

#include <string>
#include <vector>

#include "train/data/dataset.h"
#include "train/metrics/metrics.h"
#include "train/trainer/evaluator.h"
#include "train/trainer/metrics_log.h"

namespace mal {

// columns: the slice columns that `scored` was made with.
std::vector<SliceTable> slice_tables(const Dataset& dataset, const ScoredSplit& scored,
                                     const std::vector<std::string>& columns);

void print_metrics(const std::string& name, const Metrics& metrics, const std::vector<SliceTable>& slices);

}  // namespace mal

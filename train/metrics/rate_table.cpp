#include "train/metrics/rate_table.h"

#include <cmath>

#include "engine/error.h"
#include "train/metrics/sample.h"

namespace mal {

RateTable::RateTable(double prior) : prior_(prior) {
  if (!(prior > 0) || !std::isfinite(prior)) fail("rate table: the prior must be positive, not {}", prior);
}

void RateTable::add(std::int64_t key, float credit, double row_weight) {
  const double weight = sample_weight(credit) * row_weight, positive = is_positive(credit) ? weight : 0.0;
  Counts& counts = counts_[key];
  for (Counts* c : {&counts, &all_}) {
    c->positive += positive;
    c->weight += weight;
  }
}

double RateTable::global_rate() const {
  return (all_.positive + 0.5) / (all_.weight + 1.0);
}

float RateTable::predict(std::int64_t key) const {
  const auto found = counts_.find(key);
  const Counts counts = found == counts_.end() ? Counts{} : found->second;
  const double global = global_rate();
  // log(p / (1 − p)) from the two masses: 1 − p would round.
  const double positive = counts.positive + prior_ * global;
  const double negative = counts.weight - counts.positive + prior_ * (1.0 - global);
  return static_cast<float>(std::log(positive / negative));
}

}  // namespace mal

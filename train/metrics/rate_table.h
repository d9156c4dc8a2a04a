// The simplest baseline: predict each row by the average rate of its key (an ad, a campaign) in training.
#pragma once

#include <cstdint>
#include <unordered_map>

namespace mal {

// rate(key) = (Σ w l + prior · g) / (Σ w + prior), over the key's training rows, with label l and weight w of a credit
// as in the loss (sample.h), so without the prior it is the constant that minimises the key's weighted LogLoss. g is
// the same rate over all rows, with half a positive and half a negative added so that its logit is finite. An unseen
// key gets g.
class RateTable {
 public:
  static constexpr double kDefaultPrior = 100;  // rows that the global rate counts for

  explicit RateTable(double prior = kDefaultPrior);  // > 0
  void add(std::int64_t key, float credit, double row_weight = 1);
  float predict(std::int64_t key) const;  // logit
  double global_rate() const;
  std::int64_t keys() const { return static_cast<std::int64_t>(counts_.size()); }

 private:
  struct Counts {
    double positive = 0, weight = 0;
  };
  double prior_;
  std::unordered_map<std::int64_t, Counts> counts_;
  Counts all_;
};

}  // namespace mal

// What a credit means as label and weight (MODELS.md §1), and a sum that does not drift.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>

namespace mal {

// l = 1 if c > 0, else 0; w = c if c > 0, else 1.
inline bool is_positive(float credit) {
  return credit > 0;
}
inline double sample_weight(float credit) {
  return credit > 0 ? static_cast<double>(credit) : 1.0;
}

// Weights s of the rows, where the data have some: every w above is then w · s.
struct RowWeights {
  std::span<const float> values = {};  // empty: all are 1
  double of(std::size_t row) const { return values.empty() ? 1.0 : static_cast<double>(values[row]); }
};

// Neumaier's compensated sum: the error does not grow with the number of rows.
class Sum {
 public:
  void add(double value) {
    const double next = total_ + value;
    lost_ += std::abs(total_) >= std::abs(value) ? (total_ - next) + value : (value - next) + total_;
    total_ = next;
  }
  double value() const { return total_ + lost_; }

 private:
  double total_ = 0, lost_ = 0;
};

// log(1 + eˣ) without overflow or a rounded probability: −log σ(x) = softplus(−x).
inline double softplus(double x) {
  return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x)));
}

inline double sigmoid(double x) {
  const double e = std::exp(-std::abs(x));
  return x >= 0 ? 1 / (1 + e) : e / (1 + e);
}

}  // namespace mal

// Sums of the report: the same bits however a log is cut into parts.
#pragma once

#include <algorithm>
#include <cmath>

namespace mal {

// A sum that is the same in whatever order and parts its terms come: of whole units of 2^-60. Terms are at least 0; one
// above 2^60 counts as that.
class ExactSum {
 public:
  void add(double term) { sum_ += static_cast<Wide>(std::ldexp(std::min(term, 0x1p60), 60)); }
  void add(const ExactSum& other) { sum_ += other.sum_; }
  double value() const { return std::ldexp(static_cast<double>(sum_), -60); }

 private:
  __extension__ using Wide = unsigned __int128;
  Wide sum_ = 0;
};

}  // namespace mal

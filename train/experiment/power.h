// Which differences a table could have seen. With a standard error of se, a true difference of (1.96 + 0.84) · se
// leaves 0 out of its 95 % interval four times in five: 1.96 is the normal quantile of 97.5 %, 0.84 that of 80 %
// (Cohen, 1988).
// Over several data sets Student's quantiles stand for the normal ones; Difference::detectable is the outcome.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "train/experiment/difference.h"

namespace mal {

// A published gain in our unit: percent of Base's value are hundredths once Base is `base` (0.51 % of 0.7368: 0.376).
double published_gain(double percent, double base);

// Of one metric of a table: what each row could have seen, and the published gains that it could not.
class Power {
 public:
  explicit Power(std::string metric) : metric_(std::move(metric)) {}

  // base: the metric of the row that is compared with. published: the paper's gain, in percent of its Base.
  void add(const std::string& label, const Difference& difference, double base, const std::optional<double>& published);

  // "GAUC 0.21 to 0.45": the least and the greatest of the rows; "" if no row has any.
  std::string range() const;
  // The rows whose published gain is smaller than what they see; "" if there is none. A published gain of 0 is no gain
  // to see.
  std::string warning() const;
  bool pooled() const { return pooled_; }

 private:
  std::string metric_;
  std::vector<double> detectable_;
  bool pooled_ = false;  // over several data sets
  std::vector<std::string> missed_;
};

// One line about several metrics; "" if no row of any has a value.
std::string power_note(const std::vector<Power>& metrics);

}  // namespace mal

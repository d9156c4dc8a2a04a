#include "train/experiment/power.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "train/experiment/result_table.h"

namespace mal {

double published_gain(double percent, double base) {
  return percent * base;
}

void Power::add(const std::string& label, const Difference& difference, double base,
                const std::optional<double>& published) {
  const double detectable = difference.detectable;
  pooled_ = pooled_ || difference.datasets.size() > 1;
  if (std::isfinite(detectable)) detectable_.push_back(detectable);
  if (!published || *published == 0) return;
  const double gain = published_gain(*published, base);
  if (std::abs(gain) >= detectable) return;
  missed_.push_back(std::isfinite(detectable) && std::isfinite(gain)
                        ? fmt::format("{} {:+.2f} < {}", label, gain, number_text(detectable, 2))
                        : fmt::format("{}: no difference is defined", label));
}

std::string Power::range() const {
  if (detectable_.empty()) return "";
  const auto [least, greatest] = std::ranges::minmax_element(detectable_);
  const std::string from = number_text(*least, 2), to = number_text(*greatest, 2);
  return from == to ? fmt::format("{} {}", metric_, from) : fmt::format("{} {} to {}", metric_, from, to);
}

std::string Power::warning() const {
  if (missed_.empty()) return "";
  return fmt::format(
      "too little test data to see each published gain of {} with 80 % power. In hundredths (the paper's percent of "
      "our "
      "{}), "
      "published < seen from: {}.",
      metric_, metric_, fmt::join(missed_, "; "));
}

std::string power_note(const std::vector<Power>& metrics) {
  std::vector<std::string> ranges;
  for (const Power& power : metrics)
    if (std::string range = power.range(); !range.empty()) ranges.push_back(std::move(range));
  if (ranges.empty()) return "";
  const char* errors = std::ranges::any_of(metrics, &Power::pooled)
                           ? "Student's quantiles of 97.5 % and 80 %, times the standard error of the pooled difference"
                           : "2.80 standard errors of the difference";
  return fmt::format("Smallest difference that the rows see with 80 % power: {} ({}).", fmt::join(ranges, ", "),
                     errors);
}

}  // namespace mal

#include "train/attribution/delay_curve.h"

#include <algorithm>

namespace mal {

DelayCurve::DelayCurve(std::span<const DelayBin> bins, std::uint64_t clicks, std::int64_t window,
                       double steady_conversions)
    : clicks_(clicks), times_{0}, incidence_{0} {
  for (const DelayBin& bin : bins) credited_ += bin.credited;
  const double fewest =
      credited_ == 0 ? 0 : steady_conversions * static_cast<double>(clicks) / static_cast<double>(credited_);
  double survival = 1, at_risk = static_cast<double>(clicks);
  std::int64_t seen = 0;  // the end of the last bin
  for (const DelayBin& bin : bins) {
    if (at_risk < fewest) break;
    const std::int64_t begin = DelayBins::begin_of(bin.bin);
    // The bin of the window ends with it. A conversion at the very end of the window still counts.
    seen = std::max(begin + 1, std::min(DelayBins::begin_of(bin.bin + 1), window));
    const auto credited = static_cast<double>(bin.credited), left = static_cast<double>(bin.left);
    if (bin.credited > 0) {
      if (begin > times_.back()) {
        times_.push_back(begin);
        incidence_.push_back(incidence_.back());
      }
      survival *= 1 - credited / (at_risk - left / 2);
      times_.push_back(seen);
      incidence_.push_back(1 - survival);
    }
    at_risk -= credited + left;
  }
  const std::int64_t end = at_risk > 0 && at_risk >= fewest ? window : seen;
  if (end > times_.back()) {
    times_.push_back(end);
    incidence_.push_back(incidence_.back());
  }
}

double DelayCurve::known(std::int64_t age) const {
  if (age >= times_.back() || rate() <= 0) return 1;
  if (age <= 0) return 0;
  const auto after = std::ranges::upper_bound(times_, age);  // the first later one
  const auto i = static_cast<std::size_t>(after - times_.begin());
  const double part = static_cast<double>(age - times_[i - 1]) / static_cast<double>(times_[i] - times_[i - 1]);
  return (incidence_[i - 1] + part * (incidence_[i] - incidence_[i - 1])) / rate();
}

}  // namespace mal

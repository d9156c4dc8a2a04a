// How long a conversion takes to credit a click: a life table of the delays that are known so far.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "train/attribution/octave_bins.h"

namespace mal {

using DelayBins = OctaveBins<5>;  // of microseconds since a click

// Of one bin: clicks credited after this time, and clicks that were not and are no older than this.
struct DelayBin {
  std::uint32_t bin = 0;
  std::uint64_t credited = 0, left = 0;
};

// The share of clicks credited up to a delay, I(d), estimated as 1 − S(d) by the product-limit estimate (Kaplan and
// Meier 1958) over the bins: of n clicks that reach a bin, of which d are credited in it and c leave in it,
//   S after it = S before it · (1 − d / (n − c/2))
// and linear in between. A click stays at risk up to its age, also when nothing can credit it any more: then 1 − S is
// the cumulative incidence of being credited (Gray 1988), and its last value is the share of clicks credited in the
// end. Taking such clicks out would say what would be if they still could be credited.
class DelayCurve {
 public:
  // bins: by rising bin. clicks: all, those older than every bin among them. window: nothing is credited after it.
  // A curve ends before the first bin that fewer than kSteadyConversions · clicks / credited of the clicks reach: a
  // single conversion there would move I by 1/20 of its last value or more.
  DelayCurve(std::span<const DelayBin> bins, std::uint64_t clicks, std::int64_t window,
             double steady_conversions = kSteadyConversions);

  static constexpr double kSteadyConversions = 20;

  std::uint64_t clicks() const { return clicks_; }
  std::uint64_t credited() const { return credited_; }  // so far
  double rate() const { return incidence_.back(); }     // p: the share of clicks credited in the end
  // F: of the conversions that credit a click in the end, the share that has come at this age. 1 from end() on.
  double known(std::int64_t age) const;
  std::int64_t end() const { return times_.back(); }  // the window or, where the log is shorter, how far it tells

 private:
  std::uint64_t clicks_, credited_ = 0;
  std::vector<std::int64_t> times_;  // rising, from 0
  std::vector<double> incidence_;    // at these
};

}  // namespace mal

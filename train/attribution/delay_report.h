// What --delay-weights found: for the summary and for attribution.json.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace mal {

// Of the clicks of a value of --delay-by, or of all, that have one window.
struct DelayCurveReport {
  std::string value;                       // of --delay-by; empty for all
  std::int64_t window = 0, end = 0;        // microseconds; end: how far the curve tells, the window at most
  std::uint64_t clicks = 0, credited = 0;  // before the test period
  bool own = true;                         // false: too few conversions, so the weights are of the curve of all
  double rate = 0;                         // of an own curve: the share of clicks credited in the end
  std::vector<double> known;               // likewise: F at the ages of delay_ages()
};

// 1 h, 1 d, 3 d, 7 d and 14 d as far as they are below the window, and the window; microseconds.
std::vector<std::int64_t> delay_ages(std::int64_t window);

struct DelayReport {
  std::string mechanism;                 // whose credit makes a click a positive
  std::string by;                        // the column of --delay-by
  std::vector<DelayCurveReport> all;     // one a window, the longest first
  std::vector<DelayCurveReport> values;  // of --delay-by, by falling number of clicks
  // Of train.csv. Unripe rows have the weight 0, the others are positive or not.
  std::uint64_t positives = 0, others = 0, unripe = 0;
  double positive_weight = 0, other_weight = 0, largest = 0;  // the first two: sums
  std::int64_t unripe_age = 0;                                // microseconds: of the oldest unripe row

  double mean() const {
    const auto rows = static_cast<double>(positives + others + unripe);
    return rows == 0 ? 0 : (positive_weight + other_weight) / rows;
  }
};

std::string delay_weights_text(const DelayReport& report);
nlohmann::ordered_json delay_weights_json(const DelayReport& report);

}  // namespace mal

// Why conversions have no click in their window: counts by reason, added up over the parts of a log.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "train/attribution/attribute.h"
#include "train/attribution/click_log.h"
#include "train/attribution/journeys.h"

namespace mal {

// Lengths of time in seconds, to tell their median in little memory, the same however they come in parts: to the
// second below a day, to the minute below 30 days, to the hour above.
class LengthCounts {
 public:
  void add(std::int64_t seconds);
  // The lower one of the two in the middle, rounded down to what is kept of it; 0 if there are none.
  std::int64_t median() const;

 private:
  std::vector<std::uint64_t> counts_;  // as long as the longest needs
  std::uint64_t total_ = 0;
};

class UnmatchedCounts {
 public:
  // first_click: the time of the first click of the whole log.
  explicit UnmatchedCounts(std::int64_t first_click) : first_click_(first_click) {}
  void add(const ClickLog& log, const ClickOrder& order, const Journeys& journeys);
  UnmatchedReport report() const;

 private:
  // The first in the input of the conversions of a reason.
  struct Example {
    std::uint64_t place = std::numeric_limits<std::uint64_t>::max();
    std::string name;
    void offer(const Conversion& conversion, const std::string& its_name);
  };
  void add_clicked(const ClickLog& log, const ClickOrder& order, const Conversion& conversion, std::int64_t window);
  void add_early(const Conversion& conversion, std::int64_t window);

  std::int64_t first_click_;
  UnmatchedReport counts_;
  Example user_, key_;
  LengthCounts leads_, gaps_;
};

// A line a reason that occurred, and what may be behind the one that prevails.
std::string unmatched_text(const AttributeReport& report);

}  // namespace mal

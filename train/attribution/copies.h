// Clicks and conversions that come twice in a log, as they do where an export is joined to itself or two exports
// overlap. They count as often as they come; this says how many there are. The same numbers however a log is cut.
#pragma once

#include <cstdint>
#include <limits>

#include "train/attribution/attribute.h"
#include "train/attribution/click_log.h"
#include "train/attribution/journeys.h"

namespace mal {

class CopyCounts {
 public:
  void add(const ClickLog& log, const ClickOrder& order);
  // files: of the conversions, as place_of_row numbers them.
  CopyReport report(const std::vector<std::string>& files) const;

 private:
  void add_conversions(const ClickLog& log);
  void add_clicks(const ClickLog& log, const ClickOrder& order);
  void add_tie(const ClickLog& log, const ClickOrder& order, std::uint32_t begin, std::uint32_t end);

  CopyReport counts_;
  static constexpr std::uint64_t kNone = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t first_conversion_ = kNone,
                copied_conversion_ = kNone;                   // places: of the first copy, and of what it is of
  std::uint64_t first_click_ = kNone;                         // its number among all clicks
  std::vector<std::pair<std::uint32_t, std::uint32_t>> tie_;  // scratch: digest and click
};

}  // namespace mal

// Rules about single touches: how far before a conversion one counts, and which of those in reach share its credit.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "train/attribution/attribute.h"
#include "train/attribution/click_log.h"

namespace mal {

// "view=1d", or "view" for --window. What follows the last '=' is a length of time. Throws a usage Error.
OwnWindow parse_own_window(std::string_view text, std::string_view option);

// Throws a usage Error for events (--click-event and what names some of them) and channels that do not go together.
void check_touch_options(const AttributeOptions& options);

// True if an event of this kind, its place in options.click_events, comes out in train.csv and test.csv.
bool is_written(const AttributeOptions& options, std::size_t kind);

class TouchRules {
 public:
  // True if the options ask for any such rule.
  static bool given(const AttributeOptions& options);

  // channels: all of the log. Throws where an option names a channel that no click has.
  TouchRules(const AttributeOptions& options, const Interner& channels);

  // True if some touches reach further than others; otherwise all have --window.
  bool own_windows() const { return windows_.size() > 1; }
  // In the time of the log, without one twice, the longest first.
  const std::vector<std::int64_t>& windows() const { return windows_; }
  // Which of windows() is the click's.
  std::uint32_t window_of(const ClickLog& log, std::uint32_t click) const { return window_of_[slot(log, click)]; }
  bool reaches(const ClickLog& log, std::uint32_t click, std::int64_t time) const {
    return time - log.time[click] <= windows_[window_of(log, click)];
  }

  // Excluded: of no journey that has another touch.
  bool excluded(const ClickLog& log, std::uint32_t click) const { return excluded_[slot(log, click)]; }

 private:
  std::size_t slot(const ClickLog& log, std::uint32_t click) const {
    return log.channel[click] * kinds_ + (log.kind.empty() ? 0 : log.kind[click]);
  }
  void set_windows(const AttributeOptions& options, const Interner& channels);

  std::size_t kinds_;
  std::vector<bool> excluded_;            // [channel × kinds + kind]
  std::vector<std::uint32_t> window_of_;  // likewise
  std::vector<std::int64_t> windows_;
};

}  // namespace mal

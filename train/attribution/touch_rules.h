// Rules about single touches: which of those in reach of a conversion share its credit.
#pragma once

#include <cstdint>
#include <vector>

#include "train/attribution/attribute.h"
#include "train/attribution/click_log.h"

namespace mal {

class TouchRules {
 public:
  // channels: all of the log. Throws where an option names a channel that no click has.
  TouchRules(const AttributeOptions& options, const Interner& channels);

  // Excluded: of no journey that has another touch.
  bool excluded(const ClickLog& log, std::uint32_t click) const { return excluded_[log.channel[click]]; }

  // True if the options ask for any such rule.
  static bool given(const AttributeOptions& options) { return !options.exclude_channels.empty(); }

 private:
  std::vector<bool> excluded_;  // [channel]
};

}  // namespace mal

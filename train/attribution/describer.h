// Counts for the report, added up over the parts of a log: the same numbers however it is cut.
#pragma once

#include <cstdint>
#include <vector>

#include "train/attribution/attribute.h"
#include "train/attribution/channel_model.h"
#include "train/attribution/click_log.h"
#include "train/attribution/copies.h"
#include "train/attribution/credits.h"
#include "train/attribution/exact_sum.h"
#include "train/attribution/journeys.h"
#include "train/attribution/mechanisms.h"
#include "train/attribution/unmatched.h"

namespace mal {

// What is summed up over the parts of a log, of one mechanism.
struct MechanismSums {
  ExactSum credit, truth_error, cut_credit;
  std::uint64_t compared = 0;  // clicks with a truth or a credit above 0
};

class Describer {
 public:
  // all: the log, or what is known of it when it is kept in parts: the names of channels and slices.
  Describer(const AttributeOptions& options, const std::vector<NamedMechanism>& mechanisms, const ClickLog& all,
            AttributeReport& report);
  // journeys: all of them, by the options' rule.
  void add(const ClickLog& log, const ClickOrder& order, const Journeys& journeys, const Credits& credits);
  void finish(const ChannelModel& model);  // model: for the channels of the log

 private:
  void add_clicks(const ClickLog& log);
  void add_journeys(const Journeys& journeys, const Credits& credits);
  void add_early_clicks(const ClickLog& log, const ClickOrder& order, const Journeys& journeys);
  void add_mechanism(const ClickLog& log, const std::vector<float>& view, MechanismReport& entry,
                     MechanismSums& sums) const;
  void add_slices(const ClickLog& log, const Credits& credits);
  void describe_channels(const ChannelModel& model);

  bool is_written(const ClickLog& log, std::uint32_t click) const {
    return log.kind.empty() || written_[log.kind[click]];
  }

  const AttributeOptions& options_;
  std::vector<bool> written_;  // [kind of event]
  AttributeReport& report_;
  std::vector<MechanismSums> sums_;  // one a mechanism
  UnmatchedCounts unmatched_;
  CopyCounts copies_;
  std::vector<ExactSum> slice_credit_;         // [slice × mechanisms + mechanism]
  std::vector<std::uint64_t> channel_clicks_;  // one a channel
};

}  // namespace mal

// The channel report of a run: what its parts are added to, and what is written of it at the end.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "train/attribution/attribute.h"
#include "train/attribution/bootstrap.h"
#include "train/attribution/channel_sums.h"
#include "train/attribution/credits.h"
#include "train/attribution/path_stats.h"

namespace mal {

class ChannelReporting {
 public:
  // all: the log, or what is known of it when it is kept in parts; must outlive this, as the options and mechanisms.
  ChannelReporting(const AttributeOptions& options, const std::vector<NamedMechanism>& mechanisms, const ClickLog& all,
                   const FitOptions& fit);

  Bootstrap* bootstrap() { return bootstrap_ ? &*bootstrap_ : nullptr; }  // null: no intervals are asked for
  VisitShares visit();                                                    // for the credits of each part
  void add(const ClickLog& log, const ClickOrder& order, const Journeys& journeys,
           const MechanismParameters& parameters);
  // channels.csv, report.html and what of the channels is in the report.
  void write(const std::string& folder, AttributeReport& report) const;

 private:
  const AttributeOptions& options_;
  const ClickLog& all_;
  ChannelSums sums_;
  PathStats paths_;  // with --report
  std::optional<Bootstrap> bootstrap_;
};

}  // namespace mal

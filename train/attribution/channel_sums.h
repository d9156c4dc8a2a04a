// The channel report of a log, added up over its parts: the same bits however it is cut, and in whatever order its rows
// come.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "train/attribution/attribute.h"
#include "train/attribution/click_log.h"
#include "train/attribution/exact_sum.h"
#include "train/attribution/journeys.h"

namespace mal {

class ChannelSums {
 public:
  ChannelSums(std::size_t channels, std::size_t mechanisms);

  void add_clicks(const ClickLog& log);
  void add_values(const Journeys& journeys);
  // The shares that a mechanism gives to the clicks of one conversion.
  void add(std::size_t mechanism, const Journey& journey, std::span<const double> shares, double value);

  // all: the log, or what is known of it when it is kept in parts. report: has its mechanisms.
  void describe(const AttributeOptions& options, const ClickLog& all, AttributeReport& report) const;

 private:
  struct Credit {
    ExactSum conversions, value;
  };
  std::size_t mechanisms_;
  std::vector<Credit> credits_;        // [channel × mechanisms + mechanism]
  std::vector<std::uint64_t> clicks_;  // one a channel
  std::vector<ExactSum> cost_;         // likewise
  ExactSum credited_value_;
};

}  // namespace mal

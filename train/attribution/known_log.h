// A log as it was known when the test period began, for the fit: what came later must not change what it learns.
// - criteo: clicks that name a conversion of the test period are grouped by user and key, as those without one are.
// - journeys with --truncate: the last touch, from which the cut counts, is that before the test period.
#pragma once

#include <cstdint>
#include <optional>

#include "train/attribution/attribute.h"
#include "train/attribution/click_log.h"
#include "train/attribution/journeys.h"

namespace mal {

bool has_test_period(const AttributeOptions& options);
// What of a log is read for the sake of a KnownLog.
bool wants_open_groups(const AttributeOptions& options);
bool wants_uncut(const AttributeOptions& options);

// While it lives, the log has the times, users, groups and channels that were known, and nothing else of a click is to
// be asked for.
class KnownLog {
 public:
  // order: of the log. until: when the test period begins. truncate: microseconds of --truncate.
  KnownLog(ClickLog& log, const ClickOrder& order, std::int64_t until, std::int64_t truncate);
  ~KnownLog();
  KnownLog(const KnownLog&) = delete;
  KnownLog& operator=(const KnownLog&) = delete;

  const ClickLog& log() const { return log_; }
  const ClickOrder& order() const { return own_order_ ? *own_order_ : order_; }

 private:
  void group_open(std::int64_t until);
  void cut_again(std::int64_t until, std::int64_t truncate);
  void exchange();

  ClickLog& log_;
  const ClickOrder& order_;
  std::optional<ClickOrder> own_order_;  // where the log is another
  bool regrouped_ = false, cut_ = false;
  JourneyTouches other_;  // what was known, then what the log has of its own
};

}  // namespace mal

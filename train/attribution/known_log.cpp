#include "train/attribution/known_log.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

namespace mal {

bool has_test_period(const AttributeOptions& options) {
  return !options.test_from.empty() || options.test_days > 0;
}

bool wants_open_groups(const AttributeOptions& options) {
  return options.format == "criteo" && has_test_period(options);
}

bool wants_uncut(const AttributeOptions& options) {
  return options.truncate > 0 && has_test_period(options);
}

KnownLog::KnownLog(ClickLog& log, const ClickOrder& order, std::int64_t until, std::int64_t truncate)
    : log_(log), order_(order) {
  if (!log.open_group.empty()) group_open(until);
  if (!log.uncut.time.empty()) cut_again(until, truncate);
  if (!regrouped_ && !cut_) return;
  exchange();
  own_order_ = order_clicks(log_);
}

KnownLog::~KnownLog() {
  if (own_order_) exchange();
}

void KnownLog::exchange() {
  std::swap(log_.group, other_.group);
  if (!cut_) return;
  std::swap(log_.time, other_.time);
  std::swap(log_.user, other_.user);
  std::swap(log_.channel, other_.channel);
}

void KnownLog::group_open(std::int64_t until) {
  std::vector<bool> open(log_.groups, false);
  for (const Conversion& conversion : log_.conversions) {
    if (conversion.time < until) continue;
    open[conversion.group] = true;
    regrouped_ = true;
  }
  if (!regrouped_) return;
  other_.group = log_.group;
  for (std::size_t click = 0; click < log_.size(); ++click)
    if (open[log_.group[click]]) other_.group[click] = log_.open_group[click];
}

// Of a journey that ended before `until`, the same touches are left as of the whole log.
void KnownLog::cut_again(std::int64_t until, std::int64_t truncate) {
  const JourneyTouches& all = log_.uncut;
  cut_ = true;
  constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::min();
  std::vector<std::int64_t> last(log_.groups, kNever);
  for (std::size_t touch = 0; touch < all.time.size(); ++touch)
    if (all.time[touch] < until) last[all.group[touch]] = std::max(last[all.group[touch]], all.time[touch]);
  const auto kept = [&](std::size_t touch) {
    return all.time[touch] < until && all.time[touch] >= last[all.group[touch]] - truncate;
  };
  std::vector<std::uint32_t> touches(log_.groups, 0);
  for (std::size_t touch = 0; touch < all.time.size(); ++touch)
    if (kept(touch)) ++touches[all.group[touch]];
  for (std::size_t touch = 0; touch < all.time.size(); ++touch) {
    if (touches[all.group[touch]] < 2 || !kept(touch)) continue;
    other_.time.push_back(all.time[touch]);
    other_.user.push_back(all.user[touch]);
    other_.group.push_back(all.group[touch]);
    other_.channel.push_back(all.channel[touch]);
  }
}

}  // namespace mal

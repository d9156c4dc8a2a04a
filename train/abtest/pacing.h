// Budgets of a day, spent along the day: each advertiser's bids are multiplied by a factor that is set anew once per
// interval, from what was spent against the plan.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace mal {

class Pacing {
 public:
  // budgets: of a day, one an advertiser. hours: 24 weights of the world; the plan spends in proportion to them.
  Pacing(std::vector<double> budgets, std::span<const double> hours, int interval_minutes);

  // On bids in this interval; 0 when the day's budget is spent.
  double multiplier(std::uint32_t advertiser) const { return out_[advertiser] != 0 ? 0 : multipliers_[advertiser]; }

  // The interval is over; what each advertiser spent in it. Of the day's last interval: a new day begins.
  //   multiplier ← min(1, multiplier · clamp(planned until now / spent until now, 0.7, 1.25)), at least 0.01
  void close_interval(std::span<const double> spent);

  int intervals_per_day() const { return static_cast<int>(plan_.size()); }
  const std::vector<double>& budgets() const { return budgets_; }
  const std::vector<double>& spent_today() const { return spent_; }
  // Days on which the advertiser spent at least 90 % of the budget: it could have done with more.
  int bound_days(std::uint32_t advertiser) const { return bound_days_[advertiser]; }
  // Beyond the budgets of their days, all advertisers together: in the interval in which a budget ran out, and (never)
  // after it.
  double overspent() const { return overspent_; }
  double spent_late() const { return spent_late_; }

 private:
  std::vector<double> budgets_, multipliers_, spent_;
  std::vector<double> plan_;  // share of the budget that is spent at the end of each interval
  std::vector<std::uint8_t> out_;
  std::vector<int> bound_days_;
  std::size_t interval_ = 0;
  double overspent_ = 0, spent_late_ = 0;
};

}  // namespace mal

#include "train/abtest/pacing.h"

#include <algorithm>
#include <numeric>

namespace mal {

namespace {

constexpr double kSlower = 0.7, kFaster = 1.25, kLeast = 0.01, kBound = 0.9;

}  // namespace

Pacing::Pacing(std::vector<double> budgets, std::span<const double> hours, int interval_minutes)
    : budgets_(std::move(budgets)),
      multipliers_(budgets_.size(), 1),
      spent_(budgets_.size(), 0),
      out_(budgets_.size(), 0),
      bound_days_(budgets_.size(), 0) {
  const double all = std::accumulate(hours.begin(), hours.end(), 0.0);
  double minutes_before = 0;  // weighted
  for (int minute = 0; minute < 1440; ++minute) {
    minutes_before += hours[static_cast<std::size_t>(minute / 60)] / 60;
    if ((minute + 1) % interval_minutes == 0) plan_.push_back(minutes_before / all);
  }
}

void Pacing::close_interval(std::span<const double> spent) {
  const bool last = interval_ + 1 == plan_.size();
  for (std::size_t a = 0; a < budgets_.size(); ++a) {
    if (out_[a] != 0) spent_late_ += spent[a];
    spent_[a] += spent[a];
    const double planned = plan_[interval_] * budgets_[a];
    const double pace = spent_[a] > 0 ? planned / spent_[a] : kFaster;
    multipliers_[a] = std::clamp(multipliers_[a] * std::clamp(pace, kSlower, kFaster), kLeast, 1.0);
    out_[a] = spent_[a] >= budgets_[a] ? 1 : 0;
    if (!last) continue;
    bound_days_[a] += spent_[a] >= kBound * budgets_[a] ? 1 : 0;
    overspent_ += std::max(0.0, spent_[a] - budgets_[a]);
    out_[a] = 0;
    spent_[a] = 0;
  }
  interval_ = last ? 0 : interval_ + 1;
}

}  // namespace mal

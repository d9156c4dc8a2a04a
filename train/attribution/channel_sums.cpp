#include "train/attribution/channel_sums.h"

namespace mal {

ChannelSums::ChannelSums(std::size_t channels, std::size_t mechanisms)
    : mechanisms_(mechanisms), credits_(channels * mechanisms), clicks_(channels), cost_(channels) {}

void ChannelSums::add_clicks(const ClickLog& log) {
  for (const std::uint32_t channel : log.channel) ++clicks_[channel];
  for (std::size_t click = 0; click < log.cost.size(); ++click) cost_[log.channel[click]].add(log.cost[click]);
}

void ChannelSums::add_values(const Journeys& journeys) {
  for (const JourneyRange& journey : journeys.converting) credited_value_.add(journey.value);
}

void ChannelSums::add(std::size_t mechanism, const Journey& journey, std::span<const double> shares, double value) {
  for (std::size_t k = 0; k < shares.size(); ++k) {
    if (shares[k] == 0) continue;
    Credit& credit = credits_[journey.channels[k] * mechanisms_ + mechanism];
    credit.conversions.add(shares[k]);
    if (value > 0) credit.value.add(shares[k] * value);
  }
}

void ChannelSums::describe(const AttributeOptions& options, const ClickLog& all, AttributeReport& report) const {
  ChannelTable& table = report.table;
  for (const MechanismReport& mechanism : report.mechanisms) table.mechanisms.push_back(mechanism.name);
  table.has_value = all.has_values;
  table.has_cost = !options.cost.empty();
  report.credited_value = credited_value_.value();
  for (std::uint32_t c = 0; c < clicks_.size(); ++c) {
    if (clicks_[c] == 0) continue;  // of touches that --truncate dropped
    ChannelTotals& channel = table.channels.emplace_back();
    channel.name = all.channels.name(c);
    channel.clicks = clicks_[c];
    channel.cost = cost_[c].value();
    for (std::size_t m = 0; m < mechanisms_; ++m) {
      const Credit& credit = credits_[c * mechanisms_ + m];
      channel.credits.push_back({credit.conversions.value(), credit.value.value()});
    }
  }
  sort_channels(table);
}

}  // namespace mal

#include "train/attribution/channel_totals.h"

#include <fmt/format.h>

#include <algorithm>

#include "train/attribution/text.h"

namespace mal {

namespace {

constexpr const char* kHeader =
    "channel,mechanism,conversions,value,clicks,cost,cpa,roas,conversions_low,conversions_high,value_low,value_high\n";

void append(std::string& row, std::optional<double> number) {
  row += ',';
  if (number) row += fmt::format("{}", *number);
}

void append(std::string& row, const std::optional<Interval>& interval) {
  append(row, interval ? std::optional(interval->low) : std::nullopt);
  append(row, interval ? std::optional(interval->high) : std::nullopt);
}

std::optional<double> known(bool is_known, double number) {
  return is_known ? std::optional(number) : std::nullopt;
}

}  // namespace

void sort_channels(ChannelTable& table) {
  const auto conversions = [](const ChannelTotals& channel) {
    return channel.credits.empty() ? 0.0 : channel.credits.front().conversions;
  };
  std::ranges::sort(table.channels, [&](const ChannelTotals& a, const ChannelTotals& b) {
    return conversions(a) != conversions(b) ? conversions(a) > conversions(b) : a.name < b.name;
  });
}

std::optional<double> cpa(const ChannelTable& table, const ChannelTotals& channel, std::size_t mechanism) {
  const double conversions = channel.credits[mechanism].conversions;
  if (!table.has_cost || !(conversions > 0)) return std::nullopt;
  return channel.cost / conversions;
}

std::optional<double> roas(const ChannelTable& table, const ChannelTotals& channel, std::size_t mechanism) {
  if (!table.has_cost || !table.has_value || !(channel.cost > 0)) return std::nullopt;
  return channel.credits[mechanism].value / channel.cost;
}

std::vector<std::string> without_interval(const ChannelTable& table) {
  std::vector<std::string> names;
  if (table.resamples == 0 || table.channels.empty()) return names;
  for (std::size_t m = 0; m < table.mechanisms.size(); ++m)
    if (!table.channels.front().credits[m].conversions_interval) names.push_back(table.mechanisms[m]);
  return names;
}

std::string without_interval_text(const ChannelTable& table) {
  const std::vector<std::string> names = without_interval(table);
  if (names.empty()) return "";
  return and_list(names) + (names.size() == 1 ? " has none: it is" : " have none: they are") +
         " not fitted anew to the resamples";
}

std::string channels_csv(const ChannelTable& table) {
  std::string text = kHeader;
  for (const ChannelTotals& channel : table.channels)
    for (std::size_t m = 0; m < table.mechanisms.size(); ++m) {
      const ChannelCredit& credit = channel.credits[m];
      append_field(text, channel.name);
      text += ',' + table.mechanisms[m];
      append(text, credit.conversions);
      append(text, known(table.has_value, credit.value));
      text += table.has_clicks ? fmt::format(",{}", channel.clicks) : ",";
      append(text, known(table.has_cost, channel.cost));
      append(text, cpa(table, channel, m));
      append(text, roas(table, channel, m));
      append(text, credit.conversions_interval);
      append(text, table.has_value ? credit.value_interval : std::nullopt);
      text += '\n';
    }
  return text;
}

}  // namespace mal

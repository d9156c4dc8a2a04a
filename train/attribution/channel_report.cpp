#include "train/attribution/channel_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

namespace mal {

namespace {

using nlohmann::ordered_json;
using Line = std::vector<std::string>;

constexpr std::size_t kChannelsShown = 20;  // channels.csv has all
constexpr std::size_t kNameShown = 32;      // characters of a channel's name

std::string shown(std::optional<double> number, int digits = 2) {
  return number ? fmt::format("{:.{}f}", *number, digits) : "-";
}

std::string shown(double number, const std::optional<Interval>& interval) {
  if (!interval) return shown(number);
  return fmt::format("{:.2f} [{:.2f} {:.2f}]", number, interval->low, interval->high);
}

// The first column to the left, the others to the right, each as wide as it has to be.
std::string aligned(const std::vector<Line>& lines) {
  std::vector<std::size_t> width(lines.front().size());
  const auto length = [](const std::string& cell) { return fmt::formatted_size("{:<1}", cell); };
  for (const Line& line : lines)
    for (std::size_t c = 0; c < line.size(); ++c) width[c] = std::max(width[c], length(line[c]));
  std::string text;
  for (const Line& line : lines) {
    text += fmt::format("{:<{}}", line[0], width[0]);
    for (std::size_t c = 1; c < line.size(); ++c) text += fmt::format("  {:>{}}", line[c], width[c]);
    text += '\n';
  }
  return text;
}

using Cell = std::function<std::string(const ChannelTotals& channel, std::size_t mechanism)>;

std::string section(const ChannelTable& table, const std::string& title, bool with_clicks, const Cell& cell) {
  std::vector<Line> lines = {{"channel"}};
  if (with_clicks && table.has_clicks) lines[0].emplace_back("clicks");
  if (with_clicks && table.has_cost) lines[0].emplace_back("cost");
  lines[0].insert(lines[0].end(), table.mechanisms.begin(), table.mechanisms.end());
  for (std::size_t c = 0; c < std::min(kChannelsShown, table.channels.size()); ++c) {
    const ChannelTotals& channel = table.channels[c];
    Line& line = lines.emplace_back();
    line.push_back(fmt::format("{:.{}}", channel.name, kNameShown));
    if (with_clicks && table.has_clicks) line.push_back(fmt::format("{}", channel.clicks));
    if (with_clicks && table.has_cost) line.push_back(shown(channel.cost));
    for (std::size_t m = 0; m < table.mechanisms.size(); ++m) line.push_back(cell(channel, m));
  }
  return fmt::format("\n{}\n{}", title, aligned(lines));
}

}  // namespace

std::string channel_table_text(const ChannelTable& table) {
  std::string text = section(table, "conversions credited to each channel, by mechanism", true,
                             [](const ChannelTotals& channel, std::size_t m) {
                               return shown(channel.credits[m].conversions, channel.credits[m].conversions_interval);
                             });
  if (table.has_value)
    text += section(table, "their value", false, [](const ChannelTotals& channel, std::size_t m) {
      return shown(channel.credits[m].value, channel.credits[m].value_interval);
    });
  if (table.has_cost)
    text += section(table, "CPA: cost by credited conversion", false,
                    [&](const ChannelTotals& channel, std::size_t m) { return shown(cpa(table, channel, m)); });
  if (table.has_cost && table.has_value)
    text += section(table, "ROAS: credited value by cost", false,
                    [&](const ChannelTotals& channel, std::size_t m) { return shown(roas(table, channel, m)); });
  if (table.channels.size() > kChannelsShown)
    text += fmt::format("… and {} channels more in channels.csv\n", table.channels.size() - kChannelsShown);
  return text;
}

ordered_json channel_table_json(const ChannelTable& table) {
  const auto interval = [](const Interval& i) { return ordered_json::array({i.low, i.high}); };
  ordered_json channels = ordered_json::array();
  for (const ChannelTotals& channel : table.channels) {
    ordered_json entry = {{"channel", channel.name}};
    if (table.has_clicks) entry["clicks"] = channel.clicks;
    if (table.has_cost) entry["cost"] = channel.cost;
    for (std::size_t m = 0; m < table.mechanisms.size(); ++m) {
      const ChannelCredit& credit = channel.credits[m];
      ordered_json numbers = {{"conversions", credit.conversions}};
      if (table.has_value) numbers["value"] = credit.value;
      if (const std::optional<double> known = cpa(table, channel, m)) numbers["cpa"] = *known;
      if (const std::optional<double> known = roas(table, channel, m)) numbers["roas"] = *known;
      if (credit.conversions_interval) numbers["conversions_interval"] = interval(*credit.conversions_interval);
      if (credit.value_interval && table.has_value) numbers["value_interval"] = interval(*credit.value_interval);
      entry["mechanisms"][table.mechanisms[m]] = numbers;
    }
    channels.push_back(entry);
  }
  return channels;
}

}  // namespace mal

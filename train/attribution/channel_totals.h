// What each mechanism gives to each channel: conversions, their value, and what they cost. channels.csv.
//
// Credit here is by conversion: every credited conversion gives 1 (and its value) to the channels of its journey, so a
// mechanism's sums over the channels are the number of credited conversions and their value. The credits of train.csv
// and test.csv can sum to less: a click in several journeys gets 1 there at most.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace mal {

struct Interval {
  double low = 0, high = 0;
};

// What one mechanism gives to one channel.
struct ChannelCredit {
  double conversions = 0;
  double value = 0;  // of those conversions; 0 where values are not known
  std::optional<Interval> conversions_interval = {}, value_interval = {};
};

struct ChannelTotals {
  std::string name;
  std::uint64_t clicks = 0;
  double cost = 0;                          // of those clicks
  std::vector<ChannelCredit> credits = {};  // one a mechanism
};

struct ChannelTable {
  std::vector<std::string> mechanisms;
  std::uint32_t resamples = 0;                                  // that the intervals are of
  bool has_value = false, has_clicks = true, has_cost = false;  // false: the numbers are not known
  std::vector<ChannelTotals> channels;
};

// The order of the report: by falling conversions of the first mechanism, then by name.
void sort_channels(ChannelTable& table);

// Cost / credited conversions, and credited value / cost; nullopt where that is not known or divides by 0.
std::optional<double> cpa(const ChannelTable& table, const ChannelTotals& channel, std::size_t mechanism);
std::optional<double> roas(const ChannelTable& table, const ChannelTotals& channel, std::size_t mechanism);

// With resamples: the mechanisms that have no interval all the same.
std::vector<std::string> without_interval(const ChannelTable& table);
std::string without_interval_text(const ChannelTable& table);  // "… has none: it is not …"; empty where all have one

// A line a channel and mechanism; an empty field is a number that is not known. Numbers are the shortest text that
// reads back as the same double.
std::string channels_csv(const ChannelTable& table);

}  // namespace mal

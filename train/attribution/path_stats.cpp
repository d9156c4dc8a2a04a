#include "train/attribution/path_stats.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <utility>

#include "train/data/time_text.h"

namespace mal {

namespace {

constexpr std::size_t kTopPaths = 20;
constexpr std::size_t kStepChannels = 30;  // with a row of their own
constexpr std::size_t kLengthBins = 20;    // the last: and more
constexpr std::uint32_t kStart = std::numeric_limits<std::uint32_t>::max(), kConversion = kStart - 1,
                        kNone = kStart - 2;  // beside the numbers of channels

constexpr std::int64_t kMinute = 60 * kSecond, kHour = 60 * kMinute, kDay = 24 * kHour;
// Each bin ends before its time.
constexpr std::array<std::pair<std::int64_t, const char*>, 12> kTimeBins = {
    {{kMinute, "under 1 min"},
     {10 * kMinute, "1 – 10 min"},
     {kHour, "10 – 60 min"},
     {6 * kHour, "1 – 6 h"},
     {kDay, "6 – 24 h"},
     {2 * kDay, "1 – 2 days"},
     {4 * kDay, "2 – 4 days"},
     {7 * kDay, "4 – 7 days"},
     {14 * kDay, "7 – 14 days"},
     {30 * kDay, "14 – 30 days"},
     {90 * kDay, "30 – 90 days"},
     {std::numeric_limits<std::int64_t>::max(), "90 days and more"}}};

std::uint64_t step(std::uint32_t from, std::uint32_t to) {
  return std::uint64_t{from} << 32 | to;
}

void count(std::vector<std::uint64_t>& counts, std::size_t bin) {
  if (counts.size() <= bin) counts.resize(bin + 1);
  ++counts[bin];
}

std::vector<std::string> names_of(const std::string& path, const Interner& channels) {
  std::vector<std::string> names;
  for (std::size_t at = 0; at < path.size(); at += sizeof(std::uint32_t)) {
    std::uint32_t channel = 0;
    std::memcpy(&channel, path.data() + at, sizeof channel);
    names.push_back(channels.name(channel));
  }
  return names;
}

}  // namespace

void PathStats::add(const ClickLog& log, const ClickOrder& order, const Journeys& journeys) {
  JourneyView view(log, order, journeys.rule);
  for (const JourneyRange& range : journeys.converting) {
    const Journey journey = view.load(range);
    add_converting(journey, range);
    add_steps(journey, true);
  }
  constexpr std::int64_t kForever = std::numeric_limits<std::int64_t>::max();
  visit_quiet_journeys(log, order, journeys, kForever, [&](const Journey& journey) { add_steps(journey, false); });
}

void PathStats::add_converting(const Journey& journey, const JourneyRange& range) {
  count(lengths_, std::min(journey.channels.size(), kLengthBins) - 1);
  const std::int64_t time = range.conversion_time - journey.times.front();
  const auto bin = std::ranges::find_if(kTimeBins, [time](const auto& entry) { return time < entry.first; });
  count(times_, static_cast<std::size_t>(bin - kTimeBins.begin()));
  path_.clear();
  for (std::size_t k = 0; k < journey.channels.size(); ++k)
    if (k == 0 || journey.channels[k] != journey.channels[k - 1])
      path_.append(reinterpret_cast<const char*>(&journey.channels[k]), sizeof(std::uint32_t));
  PathCount& path = paths_[path_];
  ++path.conversions;
  path.value.add(range.value);
}

void PathStats::add_steps(const Journey& journey, bool converted) {
  std::uint32_t from = kStart;
  for (const std::uint32_t channel : journey.channels) {
    ++steps_[step(from, channel)];
    from = channel;
  }
  ++steps_[step(from, converted ? kConversion : kNone)];
}

PathReport PathStats::report(const Interner& channels) const {
  PathReport report;
  for (std::size_t bin = 0; bin < lengths_.size(); ++bin) {
    const char* more = bin + 1 == kLengthBins ? " and more" : "";
    report.lengths.push_back({fmt::format("{}{} click{}", bin + 1, more, bin == 0 ? "" : "s"), lengths_[bin]});
    report.conversions += lengths_[bin];
  }
  const auto first = std::ranges::find_if(times_, [](std::uint64_t conversions) { return conversions > 0; });
  for (auto bin = static_cast<std::size_t>(first - times_.begin()); bin < times_.size(); ++bin)
    report.times.push_back({kTimeBins[bin].second, times_[bin]});
  report.paths = paths_.size();
  for (const auto& [path, counted] : paths_)
    report.top.push_back({names_of(path, channels), counted.conversions, counted.value.value()});
  const auto before = [](const PathReport::Path& a, const PathReport::Path& b) {
    return a.conversions != b.conversions ? a.conversions > b.conversions : a.channels < b.channels;
  };
  const std::size_t shown = std::min(kTopPaths, report.top.size());
  std::partial_sort(report.top.begin(), report.top.begin() + static_cast<std::ptrdiff_t>(shown), report.top.end(),
                    before);
  report.top.resize(shown);
  describe_steps(channels, report);
  return report;
}

void PathStats::describe_steps(const Interner& channels, PathReport& report) const {
  std::vector<std::uint64_t> visits(channels.size());
  for (const auto& [pair, steps] : steps_)
    if (const auto to = static_cast<std::uint32_t>(pair); to < channels.size()) visits[to] += steps;
  std::vector<std::uint32_t> most;
  for (std::uint32_t c = 0; c < channels.size(); ++c)
    if (visits[c] > 0) most.push_back(c);
  std::ranges::sort(most, [&](std::uint32_t a, std::uint32_t b) {
    return visits[a] != visits[b] ? visits[a] > visits[b] : channels.name(a) < channels.name(b);
  });
  const bool other = most.size() > kStepChannels + 1;  // one channel alone is named
  if (other) most.resize(kStepChannels);
  std::vector<std::size_t> place(channels.size(), most.size());
  for (std::size_t p = 0; p < most.size(); ++p) {
    place[most[p]] = p;
    report.step_channels.push_back(channels.name(most[p]));
  }
  if (other) report.step_channels.emplace_back("other channels");
  report.steps.assign(report.step_channels.size() + 1, std::vector<std::uint64_t>(report.step_channels.size() + 2));
  for (const auto& [pair, steps] : steps_) {
    const auto from = static_cast<std::uint32_t>(pair >> 32), to = static_cast<std::uint32_t>(pair);
    const std::size_t row = from == kStart ? 0 : place[from] + 1;
    const std::size_t column = to == kConversion ? 0 : to == kNone ? 1 : place[to] + 2;
    report.steps[row][column] += steps;
  }
}

}  // namespace mal

#include "train/attribution/journeys.h"

#include <algorithm>
#include <numeric>

namespace mal {

namespace {

// First position in by_group[begin, end) whose click is at or after `time`.
std::uint32_t first_at(const ClickLog& log, const ClickOrder& order, std::uint32_t begin, std::uint32_t end,
                       std::int64_t time) {
  const auto found = std::lower_bound(order.by_group.begin() + begin, order.by_group.begin() + end, time,
                                      [&log](std::uint32_t click, std::int64_t t) { return log.time[click] < t; });
  return static_cast<std::uint32_t>(found - order.by_group.begin());
}

}  // namespace

std::vector<Conversion> sorted_conversions(const ClickLog& log, std::int64_t until) {
  std::vector<Conversion> conversions;
  for (const Conversion& conversion : log.conversions)
    if (conversion.time < until) conversions.push_back(conversion);
  std::stable_sort(conversions.begin(), conversions.end(), [](const Conversion& a, const Conversion& b) {
    return a.group != b.group ? a.group < b.group : a.time < b.time;
  });
  return conversions;
}

ClickOrder order_clicks(const ClickLog& log) {
  ClickOrder order;
  const auto clicks = static_cast<std::uint32_t>(log.size());
  order.by_time.resize(clicks);
  std::iota(order.by_time.begin(), order.by_time.end(), 0U);
  if (!std::is_sorted(log.time.begin(), log.time.end()))
    std::sort(order.by_time.begin(), order.by_time.end(), [&log](std::uint32_t a, std::uint32_t b) {
      return log.time[a] != log.time[b] ? log.time[a] < log.time[b] : a < b;
    });
  // Counting sort by group keeps the order of time.
  order.group_begin.assign(std::size_t{log.groups} + 1, 0);
  for (const std::uint32_t group : log.group) ++order.group_begin[group + 1];
  std::partial_sum(order.group_begin.begin(), order.group_begin.end(), order.group_begin.begin());
  std::vector<std::uint32_t> next(order.group_begin.begin(), order.group_begin.end() - 1);
  order.by_group.resize(clicks);
  for (const std::uint32_t click : order.by_time) order.by_group[next[log.group[click]]++] = click;
  return order;
}

Journeys build_journeys(const ClickLog& log, const ClickOrder& order, const JourneyRule& rule, std::int64_t until) {
  Journeys journeys;
  journeys.rule = rule;
  JourneyView view(log, order, rule);
  std::uint32_t used = 0;  // with restart: clicks of the group up to its earlier conversion end here
  for (const Conversion& conversion : sorted_conversions(log, until)) {
    // Groups come one after the other, so `used` of another group is before this one's first click.
    const std::uint32_t group_begin = std::max(order.group_begin[conversion.group], used);
    const std::uint32_t group_end = order.group_begin[conversion.group + 1];
    const std::uint32_t begin = first_at(log, order, group_begin, group_end, conversion.time - rule.window);
    const std::uint32_t end = first_at(log, order, begin, group_end, conversion.time + 1);
    JourneyRange journey = {begin, end, conversion.time, end - begin, conversion.value};
    if (rule.touches != nullptr) journey.clicks = static_cast<std::uint32_t>(view.clicks(journey).size());
    if (begin == end)
      journeys.without_clicks.push_back(conversion);
    else if (journey.clicks == 0)
      ++journeys.ruled_out;
    else
      journeys.converting.push_back(journey);
    if (rule.restart) used = end;
  }
  return journeys;
}

std::vector<JourneyRange> build_quiet_journeys(const ClickLog& log, const ClickOrder& order, const Journeys& journeys,
                                               std::int64_t until) {
  const std::int64_t window = journeys.rule.window;
  std::vector<bool> converted(order.by_group.size(), false);
  for (const JourneyRange& journey : journeys.converting)
    std::fill(converted.begin() + journey.begin, converted.begin() + journey.end, true);
  std::vector<JourneyRange> quiet;
  const auto time_at = [&](std::uint32_t position) { return log.time[order.by_group[position]]; };
  for (std::uint32_t group = 0; group < log.groups; ++group) {
    const std::uint32_t group_begin = order.group_begin[group];
    std::uint32_t end = first_at(log, order, group_begin, order.group_begin[group + 1], until);
    while (end > group_begin) {
      if (converted[end - 1]) {
        --end;
        continue;
      }
      std::uint32_t begin = end - 1;
      while (begin > group_begin && !converted[begin - 1] && time_at(begin - 1) >= time_at(end - 1) - window) --begin;
      quiet.push_back({begin, end, 0, end - begin});
      end = begin;
    }
  }
  return quiet;
}

std::span<const std::uint32_t> JourneyView::clicks(const JourneyRange& range) {
  const std::span<const std::uint32_t> all = std::span(order_.by_group).subspan(range.begin, range.end - range.begin);
  if (rule_.touches == nullptr) return all;
  clicks_.clear();
  for (const std::uint32_t click : all)
    if (!rule_.touches->excluded(log_, click)) clicks_.push_back(click);
  return clicks_.empty() ? all : clicks_;  // a journey of excluded clicks alone is as any other
}

Journey JourneyView::load(const JourneyRange& range) {
  const std::span<const std::uint32_t> journey = clicks(range);
  times_.clear();
  channels_.clear();
  for (const std::uint32_t click : journey) {
    times_.push_back(log_.time[click]);
    channels_.push_back(log_.channel[click]);
  }
  return {times_, channels_, journey};
}

}  // namespace mal

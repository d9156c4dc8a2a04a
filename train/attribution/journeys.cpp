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

// [position in by_group]: its click reaches a conversion, be it excluded from the credit or not.
std::vector<bool> converted_places(const ClickLog& log, const ClickOrder& order, const Journeys& journeys,
                                   const TouchRules* own) {
  std::vector<bool> converted(order.by_group.size(), false);
  for (const JourneyRange& journey : journeys.converting) {
    if (own == nullptr) {
      std::fill(converted.begin() + journey.begin, converted.begin() + journey.end, true);
      continue;
    }
    for (std::uint32_t position = journey.begin; position < journey.end; ++position)
      if (own->reaches(log, order.by_group[position], journey.conversion_time)) converted[position] = true;
  }
  return converted;
}

// Positions of one group's clicks, and the window of all of them.
struct GroupPlaces {
  std::uint32_t begin, end;
  std::int64_t window;
};

using VisitJourney = std::function<void(const Journey& journey)>;

// With one window for all, a quiet journey is a stretch of by_group: what lies between two of its clicks and reaches a
// conversion would come after one that reaches it, too.
void visit_stretches(const ClickLog& log, const ClickOrder& order, const GroupPlaces& places,
                     const std::vector<bool>& converted, JourneyView& view, const VisitJourney& visit) {
  const auto time_at = [&](std::uint32_t position) { return log.time[order.by_group[position]]; };
  std::uint32_t end = places.end;
  while (end > places.begin) {
    if (converted[end - 1]) {
      --end;
      continue;
    }
    std::uint32_t begin = end - 1;
    while (begin > places.begin && !converted[begin - 1] && time_at(begin - 1) >= time_at(end - 1) - places.window)
      --begin;
    visit(view.load(std::span(order.by_group).subspan(begin, end - begin)));
    end = begin;
  }
}

// Of each window, the positions that are in no journey yet: a journey takes the last ones, so that the work grows with
// the clicks and the journeys, not with their product.
void visit_by_windows(const ClickLog& log, const ClickOrder& order, const GroupPlaces& places,
                      const std::vector<bool>& converted, const TouchRules& own, JourneyView& view,
                      const VisitJourney& visit) {
  std::vector<std::vector<std::uint32_t>> left(own.windows().size());
  for (std::uint32_t position = places.begin; position < places.end; ++position)
    if (!converted[position]) left[own.window_of(log, order.by_group[position])].push_back(position);
  std::vector<std::uint32_t> taken;
  while (true) {
    const std::vector<std::uint32_t>* latest = nullptr;
    for (const std::vector<std::uint32_t>& some : left)
      if (!some.empty() && (latest == nullptr || some.back() > latest->back())) latest = &some;
    if (latest == nullptr) return;
    const std::int64_t time = log.time[order.by_group[latest->back()]];
    taken.clear();
    for (std::vector<std::uint32_t>& some : left)
      while (!some.empty() && own.reaches(log, order.by_group[some.back()], time)) {
        taken.push_back(some.back());
        some.pop_back();
      }
    std::ranges::sort(taken);
    for (std::uint32_t& position : taken) position = order.by_group[position];
    visit(view.load(taken));
  }
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

void visit_quiet_journeys(const ClickLog& log, const ClickOrder& order, const Journeys& journeys, std::int64_t until,
                          const std::function<void(const Journey& journey)>& visit) {
  const TouchRules* own = journeys.rule.touches;
  if (own != nullptr && !own->own_windows()) own = nullptr;
  const std::vector<bool> converted = converted_places(log, order, journeys, own);
  JourneyView view(log, order, journeys.rule);
  for (std::uint32_t group = 0; group < log.groups; ++group) {
    const std::uint32_t begin = order.group_begin[group];
    const std::uint32_t end = first_at(log, order, begin, order.group_begin[group + 1], until);
    if (own == nullptr)
      visit_stretches(log, order, {begin, end, journeys.rule.window}, converted, view, visit);
    else
      visit_by_windows(log, order, {begin, end, 0}, converted, *own, view, visit);
  }
}

std::vector<std::uint32_t> newest_clicks(const Journey& journey, const Interner& channels, std::size_t most) {
  std::vector<std::uint32_t> places(journey.times.size());
  std::iota(places.begin(), places.end(), 0U);
  if (places.size() <= most) return places;
  const std::size_t left_out = places.size() - most;
  const auto [first, last] = std::equal_range(journey.times.begin(), journey.times.end(), journey.times[left_out]);
  const auto begin = places.begin() + (first - journey.times.begin());
  const auto end = places.begin() + (last - journey.times.begin());
  const auto kept = places.begin() + static_cast<std::ptrdiff_t>(left_out);
  if (begin < kept)
    std::nth_element(begin, kept, end, [&](std::uint32_t a, std::uint32_t b) {
      return channels.name(journey.channels[a]) > channels.name(journey.channels[b]);
    });
  places.erase(places.begin(), kept);
  return places;
}

std::span<const std::uint32_t> JourneyView::sharing(std::span<const std::uint32_t> reaching) {
  clicks_.clear();
  for (const std::uint32_t click : reaching)
    if (!rule_.touches->excluded(log_, click)) clicks_.push_back(click);
  return clicks_.empty() ? reaching : clicks_;  // a journey of excluded clicks alone is as any other
}

std::span<const std::uint32_t> JourneyView::clicks(const JourneyRange& range) {
  const std::span<const std::uint32_t> all = std::span(order_.by_group).subspan(range.begin, range.end - range.begin);
  if (rule_.touches == nullptr) return all;
  if (!rule_.touches->own_windows()) return sharing(all);
  reaching_.clear();
  for (const std::uint32_t click : all)
    if (rule_.touches->reaches(log_, click, range.conversion_time)) reaching_.push_back(click);
  return sharing(reaching_);
}

Journey JourneyView::gather(std::span<const std::uint32_t> clicks, double value) {
  times_.clear();
  channels_.clear();
  for (const std::uint32_t click : clicks) {
    times_.push_back(log_.time[click]);
    channels_.push_back(log_.channel[click]);
  }
  return {times_, channels_, clicks, value};
}

Journey JourneyView::load(const JourneyRange& range) {
  Journey journey = gather(clicks(range), range.value);
  journey.conversion = range.conversion_time;
  return journey;
}

Journey JourneyView::load(std::span<const std::uint32_t> reaching) {
  return gather(rule_.touches == nullptr ? reaching : sharing(reaching), 0);
}

}  // namespace mal

// Which clicks belong to which conversion.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "train/attribution/click_log.h"
#include "train/attribution/mechanisms.h"
#include "train/attribution/touch_rules.h"

namespace mal {

// The clicks in time order (ties: input order), and the same grouped: all clicks of group 0 in time order, group 1, …
struct ClickOrder {
  std::vector<std::uint32_t> by_time;      // click indices
  std::vector<std::uint32_t> by_group;     // click indices
  std::vector<std::uint32_t> group_begin;  // groups + 1 positions in by_group
};

ClickOrder order_clicks(const ClickLog& log);

struct JourneyRule {
  std::int64_t window = 0;  // the longest of all touches; as the times of the log: microseconds
  bool restart = false;
  const TouchRules* touches = nullptr;  // none: every click in the range is in the journey
};

// Clicks by_group[begin, end), what came of them, and how many of them are in the journey.
struct JourneyRange {
  std::uint32_t begin, end;
  std::int64_t conversion_time;  // of a converting journey
  std::uint32_t clicks;
  double value = 0;  // of its conversion
};

struct Journeys {
  JourneyRule rule;
  std::vector<JourneyRange> converting;
  std::vector<Conversion> without_clicks;  // no click is in the range
  std::uint64_t ruled_out = 0;             // conversions whose range has clicks, and rule.touches took all of them out
};

// Conversions before `until`, those of one group together and in time order (ties: input order).
std::vector<Conversion> sorted_conversions(const ClickLog& log, std::int64_t until);

// A conversion's journey: the clicks of its group with conversion − window ≤ time ≤ conversion. A click may be in
// several journeys, if its group converts more than once; with `restart` in one at most: a journey then begins after
// the group's earlier conversion. rule.touches says which of these clicks share the credit. Events at or after `until`
// are as if they did not exist.
Journeys build_journeys(const ClickLog& log, const ClickOrder& order, const JourneyRule& rule, std::int64_t until);

// Calls visit for the journeys that did not convert: clicks before `until` that are in no converting one. The last such
// click of a group closes a journey of those whose window reaches its time; the last one of the rest closes the next.
// So each is in one of them, but for excluded ones: those are in none that has another click, and an excluded click
// that reaches a conversion is in no quiet journey.
void visit_quiet_journeys(const ClickLog& log, const ClickOrder& order, const Journeys& journeys, std::int64_t until,
                          const std::function<void(const Journey& journey)>& visit);

// Places in the journey of its newest clicks, at most so many. Of clicks of one moment those stay whose channels come
// first by name: which row came first does not matter.
std::vector<std::uint32_t> newest_clicks(const Journey& journey, const Interner& channels, std::size_t most);

// The clicks of one journey, gathered. The spans live until the next load().
class JourneyView {
 public:
  JourneyView(const ClickLog& log, const ClickOrder& order, const JourneyRule& rule)
      : log_(log), order_(order), rule_(rule) {}
  Journey load(const JourneyRange& range);
  Journey load(std::span<const std::uint32_t> reaching);  // clicks in time order, those excluded among them
  // Indices of the clicks alone, in time order.
  std::span<const std::uint32_t> clicks(const JourneyRange& range);

 private:
  std::span<const std::uint32_t> sharing(std::span<const std::uint32_t> reaching);
  Journey gather(std::span<const std::uint32_t> clicks, double value);
  const ClickLog& log_;
  const ClickOrder& order_;
  JourneyRule rule_;
  std::vector<std::uint32_t> reaching_, clicks_;
  std::vector<std::int64_t> times_;
  std::vector<std::uint32_t> channels_;
};

}  // namespace mal

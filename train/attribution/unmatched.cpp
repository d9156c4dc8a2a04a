#include "train/attribution/unmatched.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "train/attribution/click_target.h"
#include "train/data/time_text.h"

namespace mal {

namespace {

constexpr std::int64_t kMinute = 60, kHour = 3600, kDay = 86400, kMonth = 30 * kDay;
constexpr std::int64_t kMostShift = 14 * kHour + kHour / 2;  // from -12 to +14, though few places are that far apart
constexpr std::int64_t kYears = 5 * 365 * kDay;              // seconds taken for milliseconds lie in January 1970
constexpr std::int64_t kMinutes = kDay, kHours = kMinutes + (kMonth - kDay) / kMinute;  // the first place of each

std::int64_t place_of(std::int64_t seconds) {
  if (seconds < kDay) return seconds;
  return seconds < kMonth ? kMinutes + (seconds - kDay) / kMinute : kHours + (seconds - kMonth) / kHour;
}

std::int64_t seconds_at(std::int64_t place) {
  if (place < kMinutes) return place;
  return place < kHours ? kDay + (place - kMinutes) * kMinute : kMonth + (place - kHours) * kHour;
}

// "8 h 5 min", "41.3 d"
std::string length_text(std::int64_t seconds) {
  if (seconds >= 2 * kDay) return fmt::format("{:.1f} d", static_cast<double>(seconds) / kDay);
  if (seconds >= kHour) return fmt::format("{} h {} min", seconds / kHour, seconds % kHour / kMinute);
  if (seconds >= kMinute) return fmt::format("{} min {} s", seconds / kMinute, seconds % kMinute);
  return fmt::format("{} s", seconds);
}

// Lengths are rounded up to whole seconds: a conversion 1 µs before a click is early, and not by 0 s.
std::int64_t whole_seconds(std::int64_t microseconds) {
  return (microseconds + kSecond - 1) / kSecond;
}

// Clocks of two places differ by whole hours, most of them, and a conversion comes a little after its click.
bool near_whole_hours(std::int64_t seconds) {
  const std::int64_t hours = (seconds + kHour / 2) / kHour;
  return hours >= 1 && std::abs(seconds - hours * kHour) <= 5 * kMinute;
}

// The shortest whole length that reaches over `gap`, as --window takes it.
std::string window_over(std::int64_t gap) {
  return gap < kDay ? fmt::format("{}h", gap / kHour + 1) : fmt::format("{}d", gap / kDay + 1);
}

constexpr const char* kUnitQuestion =
    "is one of them in milliseconds and the other in seconds? --time-unit is for both";

// Why conversions come before their clicks; empty where nothing speaks for a mistake.
std::string lead_question(std::int64_t median, bool prevails) {
  if (median > kYears) return kUnitQuestion;
  if (median <= kMostShift && (near_whole_hours(median) || (prevails && median > kHour / 2)))
    return "is one of them in another time zone? times of both without an offset are read by --utc-offset";
  return prevails && median <= kHour / 2 ? "do the clocks of clicks and conversions differ?" : "";
}

class UnmatchedText {
 public:
  explicit UnmatchedText(const AttributeReport& report) : report_(report), u_(report.unmatched) {}

  std::string text() {
    line(u_.never_clicked, "of users who never clicked");
    spelling(u_.never_clicked, "users", report_.first_user, u_.never_clicked_user);
    line(u_.other_keys, fmt::format("of users whose clicks have another {}", report_.key));
    spelling(u_.other_keys, report_.key, report_.first_key, u_.other_keys_key);
    line(u_.clicked_later, fmt::format("before the first click of their user and {}, half of them by up to {}",
                                       report_.key, length_text(u_.median_lead)));
    if (u_.clicked_later > 0) question(lead_question(u_.median_lead, prevails(u_.clicked_later)));
    line(u_.before_window,
         fmt::format("longer than the window after the last click of their user and {} (--window {} reaches half of "
                     "them)",
                     report_.key, window_over(u_.median_gap)));
    if (u_.before_window > 0 && u_.median_gap > kYears) question(kUnitQuestion);
    line(u_.used_before, "whose clicks belong to an earlier conversion, by --restart");
    line(u_.ruled_out, "whose clicks in the window are out of it by the rules for single touches");
    line(u_.before_first_click,
         fmt::format("of the {}: the window begins before the first click of all ({}), and earlier clicks may be {}",
                     report_.conversions_without_clicks, date_of(report_.first_time),
                     report_.from_given ? "left out by --from" : "missing"));
    return std::move(text_);
  }

 private:
  void line(std::uint64_t count, std::string_view reason) {
    if (count > 0) text_ += fmt::format("  {} {}\n", count, reason);
  }
  void question(std::string_view question) {
    if (!question.empty()) text_ += fmt::format("    {}\n", question);
  }
  // Half of all conversions have no click, and half of them or more for this reason: seldom by chance.
  bool prevails(std::uint64_t count) const {
    return 2 * report_.conversions_without_clicks >= report_.conversions &&
           2 * count >= report_.conversions_without_clicks;
  }
  void spelling(std::uint64_t count, std::string_view what, const std::string& of_click,
                const std::string& of_conversion) {
    if (!prevails(count) || of_click.empty() || of_conversion.empty()) return;
    question(
        fmt::format("do clicks and conversions write {} the same way? the first click has '{}', the first of these "
                    "'{}'",
                    what, of_click, of_conversion));
  }

  const AttributeReport& report_;
  const UnmatchedReport& u_;
  std::string text_;
};

}  // namespace

std::string unmatched_text(const AttributeReport& report) {
  return UnmatchedText(report).text();
}

void LengthCounts::add(std::int64_t seconds) {
  const auto place = static_cast<std::size_t>(place_of(seconds));
  if (place >= counts_.size()) counts_.resize(place + 1);
  ++counts_[place];
  ++total_;
}

std::int64_t LengthCounts::median() const {
  std::uint64_t before = 0;
  for (std::size_t place = 0; place < counts_.size(); ++place) {
    before += counts_[place];
    if (2 * before >= total_) return seconds_at(static_cast<std::int64_t>(place));
  }
  return 0;
}

void UnmatchedCounts::Example::offer(const Conversion& conversion, const std::string& its_name) {
  if (conversion.place >= place) return;
  place = conversion.place;
  name = its_name;
}

void UnmatchedCounts::add(const ClickLog& log, const ClickOrder& order, const Journeys& journeys) {
  counts_.ruled_out += journeys.ruled_out;
  if (journeys.without_clicks.empty()) return;
  const std::int64_t window = journeys.rule.window;
  std::vector<bool> clicked(log.users.size(), false);
  for (const std::uint32_t user : log.user) clicked[user] = true;
  for (const Conversion& conversion : journeys.without_clicks) {
    if (order.group_begin[conversion.group] < order.group_begin[conversion.group + 1]) {
      add_clicked(log, order, conversion, window);
      continue;
    }
    add_early(conversion, window);
    if (clicked[conversion.user]) {
      ++counts_.other_keys;
      if (conversion.place != kNoPlace) key_.offer(conversion, log.keys.name(conversion.key));
    } else {
      ++counts_.never_clicked;
      if (conversion.place != kNoPlace) user_.offer(conversion, log.users.name(conversion.user));
    }
  }
}

// A conversion whose clicks, if they are older than the log, nobody knows.
void UnmatchedCounts::add_early(const Conversion& conversion, std::int64_t window) {
  if (conversion.time - window < first_click_) ++counts_.before_first_click;
}

// Of a conversion whose group has clicks.
void UnmatchedCounts::add_clicked(const ClickLog& log, const ClickOrder& order, const Conversion& conversion,
                                  std::int64_t window) {
  const auto begin = order.by_group.begin() + order.group_begin[conversion.group];
  const auto end = order.by_group.begin() + order.group_begin[conversion.group + 1];
  const auto later =
      std::partition_point(begin, end, [&](std::uint32_t click) { return log.time[click] <= conversion.time; });
  if (later == begin) {
    ++counts_.clicked_later;
    add_early(conversion, window);
    leads_.add(whole_seconds(log.time[*begin] - conversion.time));
    return;
  }
  const std::int64_t gap = conversion.time - log.time[*(later - 1)];
  if (gap <= window) {  // it would have this click, were it not for --restart
    ++counts_.used_before;
    return;
  }
  ++counts_.before_window;
  gaps_.add(whole_seconds(gap));
}

UnmatchedReport UnmatchedCounts::report() const {
  UnmatchedReport report = counts_;
  report.median_lead = leads_.median();
  report.median_gap = gaps_.median();
  report.never_clicked_user = user_.name;
  report.other_keys_key = key_.name;
  return report;
}

}  // namespace mal

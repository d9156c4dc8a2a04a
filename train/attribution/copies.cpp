#include "train/attribution/copies.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "train/attribution/click_target.h"

namespace mal {

void CopyCounts::add(const ClickLog& log, const ClickOrder& order) {
  add_conversions(log);
  add_clicks(log, order);
}

// Without ids, the user, the key and the time are all that tells conversions apart.
void CopyCounts::add_conversions(const ClickLog& log) {
  const std::vector<Conversion> sorted = sorted_conversions(log, std::numeric_limits<std::int64_t>::max());
  for (std::size_t c = 1; c < sorted.size(); ++c) {
    const Conversion &before = sorted[c - 1], &here = sorted[c];
    if (here.group != before.group || here.time != before.time || (here.has_id && before.has_id)) continue;
    ++counts_.conversions;
    if (here.place >= first_conversion_) continue;
    first_conversion_ = here.place;
    copied_conversion_ = before.place;
  }
}

// Clicks of one group and time are neighbours, and a copy has the text of another, too.
void CopyCounts::add_clicks(const ClickLog& log, const ClickOrder& order) {
  for (std::uint32_t group = 0; group < log.groups; ++group) {
    const std::uint32_t end = order.group_begin[group + 1];
    for (std::uint32_t begin = order.group_begin[group]; begin + 1 < end;) {
      std::uint32_t next = begin + 1;
      const std::int64_t time = log.time[order.by_group[begin]];
      while (next < end && log.time[order.by_group[next]] == time) ++next;
      if (next > begin + 1) add_tie(log, order, begin, next);
      begin = next;
    }
  }
}

// by_group[begin, end): one group, one time. Digests of 32 bits: among a million such clicks in pairs, two that differ
// pass for one once in 8,000 logs.
void CopyCounts::add_tie(const ClickLog& log, const ClickOrder& order, std::uint32_t begin, std::uint32_t end) {
  tie_.clear();
  for (std::uint32_t position = begin; position < end; ++position)
    tie_.emplace_back(log.digest[order.by_group[position]], order.by_group[position]);
  std::ranges::sort(tie_);
  for (std::size_t c = 1; c < tie_.size(); ++c) {
    if (tie_[c].first != tie_[c - 1].first) continue;
    ++counts_.clicks;
    const std::uint32_t click = tie_[c].second;
    const std::uint64_t number = log.number.empty() ? click : log.number[click];
    if (number >= first_click_) continue;
    first_click_ = number;
    counts_.first_click_user = log.users.name(log.user[click]);
    counts_.first_click_time = log.time[click];
  }
}

CopyReport CopyCounts::report(const std::vector<std::string>& files) const {
  CopyReport report = counts_;
  const auto text = [&](std::uint64_t place) {
    return fmt::format("{}:{}", files[file_of_place(place)], line_of_place(place));
  };
  if (report.conversions > 0) {
    report.first_conversion = text(first_conversion_);
    report.copied_conversion = text(copied_conversion_);
  }
  return report;
}

}  // namespace mal

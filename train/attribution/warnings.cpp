// What of a report is probably a mistake in the log.
#include <fmt/format.h>

#include "train/attribution/attribute.h"
#include "train/data/time_text.h"

namespace mal {

std::vector<std::string> warnings(const AttributeReport& report) {
  std::vector<std::string> lines;
  if (!report.time_mistake.empty()) lines.push_back(report.time_mistake);
  if (report.journeys == 0)
    lines.emplace_back(
        "no conversion has a click before it, so every credit is 0; do --user and --key name the same things in clicks "
        "and conversions?");
  if (!report.identity_files.empty() && report.identity.ids_in_log == 0)
    lines.push_back(fmt::format(
        "no user of the log is an id of --identity (its first is '{}'{}), so it changes nothing",
        report.identity.first_id, report.first_user.empty() ? "" : fmt::format(", the log's '{}'", report.first_user)));
  const CopyReport& copies = report.copies;
  if (copies.conversions > 0)
    lines.push_back(fmt::format(
        "{} the user, {} and time of another: copies, as in two exports that overlap, or items of one order; each "
        "counts "
        "(the first: {} is as {}; leave copies out, or name a column of ids by --conversion-id)",
        copies.conversions == 1 ? "1 conversion has" : fmt::format("{} conversions have", copies.conversions),
        report.key, copies.first_conversion, copies.copied_conversion));
  if (copies.clicks > 0)
    lines.push_back(
        fmt::format("{} another in user, {}, time and every column passed through, as in two exports that overlap; "
                    "each counts (the first: user '{}' at {}; leave copies out)",
                    copies.clicks == 1 ? "1 click equals" : fmt::format("{} clicks equal", copies.clicks), report.key,
                    copies.first_click_user, date_of(copies.first_click_time)));
  return lines;
}

}  // namespace mal

#include "train/attribution/channel_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "train/attribution/bootstrap.h"
#include "train/attribution/text.h"
#include "train/report/bars.h"
#include "train/report/page.h"
#include "train/report/svg.h"

namespace mal {

namespace {

constexpr std::size_t kBars = 40;  // channels with a bar of their own; the others share one

std::string percent(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? "" : fmt::format("{:.1f} %", 100 * static_cast<double>(part) / static_cast<double>(whole));
}

std::string note(const std::string& text) {
  return fmt::format("<p class=\"note\">{}</p>\n", escape_html(text));
}

std::string facts(const AttributeReport& r) {
  std::string text =
      fmt::format("{} clicks of {} users, {} to {}. Conversions: {}, {} of them credited",
                  grouped_number(static_cast<double>(r.clicks)), grouped_number(static_cast<double>(r.users)),
                  date_of(r.first_time), date_of(r.last_time), grouped_number(static_cast<double>(r.conversions)),
                  grouped_number(static_cast<double>(r.journeys)));
  if (r.table.has_value)
    text += fmt::format(", worth {} of {}", grouped_number(r.credited_value), grouped_number(r.value));
  return note(text + ".");
}

BarRow bar_of(const ChannelTotals& channel, std::size_t mechanism) {
  const ChannelCredit& credit = channel.credits[mechanism];
  BarRow row{channel.name, credit.conversions};
  if (!credit.conversions_interval) return row;
  row.low = credit.conversions_interval->low;
  row.high = credit.conversions_interval->high;
  return row;
}

std::vector<BarRow> bars(const ChannelTable& table, std::size_t mechanism) {
  std::vector<BarRow> rows;
  const std::size_t own = table.channels.size() > kBars + 1 ? kBars : table.channels.size();
  for (std::size_t c = 0; c < own; ++c) rows.push_back(bar_of(table.channels[c], mechanism));
  if (own == table.channels.size()) return rows;
  BarRow& others = rows.emplace_back();
  others.label = fmt::format("{} other channels", table.channels.size() - own);
  for (std::size_t c = own; c < table.channels.size(); ++c)
    others.value += table.channels[c].credits[mechanism].conversions;
  return rows;
}

// One chart a mechanism, all of one scale.
std::string mechanism_charts(const ChannelTable& table) {
  std::vector<std::vector<BarRow>> charts;
  double largest = 0;
  for (std::size_t m = 0; m < table.mechanisms.size(); ++m) {
    charts.push_back(bars(table, m));
    for (const BarRow& row : charts.back())
      for (const double value : {row.value, row.high}) largest = std::max(largest, std::isfinite(value) ? value : 0);
  }
  std::string html = "<div class=\"charts\">\n";
  for (std::size_t m = 0; m < charts.size(); ++m)
    html += bar_rows(charts[m], {.title = table.mechanisms[m], .largest = largest});
  return html + "</div>\n";
}

using Number = std::function<std::optional<double>(const ChannelTotals& channel, std::size_t mechanism)>;
using Range = std::function<std::optional<Interval>(const ChannelCredit& credit)>;

std::string cell(std::optional<double> number, const std::optional<Interval>& interval = {}) {
  std::string text = number ? grouped_number(*number) : "–";
  if (interval) text += fmt::format("<br>{} – {}", grouped_number(interval->low), grouped_number(interval->high));
  return "<td>" + text + "</td>";
}

std::string number_table(
    const ChannelTable& table, const std::string& title, const Number& number,
    const Range& range = [](const ChannelCredit&) { return std::nullopt; }) {
  std::string html = "<h2>" + title + "</h2>\n<div class=\"table\"><table><tr><th>channel</th>";
  if (table.has_clicks) html += "<th>clicks</th>";
  if (table.has_cost) html += "<th>cost</th>";
  for (const std::string& mechanism : table.mechanisms) html += "<th>" + escape_html(mechanism) + "</th>";
  html += "</tr>\n";
  for (const ChannelTotals& channel : table.channels) {
    const std::string name = escape_html(channel.name);
    html += fmt::format("<tr><td class=\"name\" title=\"{}\">{}</td>", name, name);
    if (table.has_clicks) html += cell(static_cast<double>(channel.clicks));
    if (table.has_cost) html += cell(channel.cost);
    for (std::size_t m = 0; m < table.mechanisms.size(); ++m)
      html += cell(number(channel, m), range(channel.credits[m]));
    html += "</tr>\n";
  }
  return html + "</table></div>\n";
}

std::string number_tables(const ChannelTable& table) {
  std::string html = number_table(
      table, "Credited conversions",
      [](const ChannelTotals& channel, std::size_t m) { return std::optional(channel.credits[m].conversions); },
      [](const ChannelCredit& credit) { return credit.conversions_interval; });
  if (table.has_value)
    html += number_table(
        table, "Their value",
        [](const ChannelTotals& channel, std::size_t m) { return std::optional(channel.credits[m].value); },
        [](const ChannelCredit& credit) { return credit.value_interval; });
  if (table.has_cost)
    html += number_table(table, "CPA: cost by credited conversion",
                         [&](const ChannelTotals& channel, std::size_t m) { return cpa(table, channel, m); });
  if (table.has_cost && table.has_value)
    html += number_table(table, "ROAS: credited value by cost",
                         [&](const ChannelTotals& channel, std::size_t m) { return roas(table, channel, m); });
  return html;
}

std::string histogram(const std::vector<PathReport::Bin>& bins, std::uint64_t conversions, const std::string& title) {
  std::vector<BarRow> rows;
  for (const PathReport::Bin& bin : bins) {
    const auto value = static_cast<double>(bin.conversions);
    rows.push_back(
        {bin.label, value, fmt::format("{} ({})", grouped_number(value), percent(bin.conversions, conversions))});
  }
  return bar_rows(rows, {.title = title});
}

std::string top_paths(const PathReport& paths, bool with_value) {
  if (paths.top.empty()) return "";
  std::string html = fmt::format(
      "<h2>Top paths</h2>\n{}<div class=\"table\"><table><tr><th>path</th><th>conversions</th><th>share</th>{}</tr>\n",
      note(fmt::format("The most frequent of {} paths that converted; a channel that follows itself stands once.",
                       grouped_number(static_cast<double>(paths.paths)))),
      with_value ? "<th>value</th>" : "");
  for (const PathReport::Path& path : paths.top) {
    html += "<tr><td class=\"path\">";
    constexpr std::size_t kSteps = 30;  // of a path; longer ones are cut
    for (std::size_t k = 0; k < std::min(kSteps, path.channels.size()); ++k)
      html += (k == 0 ? "" : " › ") + escape_html(path.channels[k]);
    if (path.channels.size() > kSteps) html += fmt::format(" › … {} more", path.channels.size() - kSteps);
    html += fmt::format("</td><td>{}</td><td>{}</td>", grouped_number(static_cast<double>(path.conversions)),
                        percent(path.conversions, paths.conversions));
    if (with_value) html += cell(path.value);
    html += "</tr>\n";
  }
  return html + "</table></div>\n";
}

std::string steps_chart(const PathReport& paths) {
  HeatMap map;
  map.rows = {"(start)"};
  map.rows.insert(map.rows.end(), paths.step_channels.begin(), paths.step_channels.end());
  map.columns = {"(conversion)", "(none)"};
  map.columns.insert(map.columns.end(), paths.step_channels.begin(), paths.step_channels.end());
  for (std::size_t r = 0; r < map.rows.size(); ++r) {
    std::uint64_t all = 0;
    for (const std::uint64_t steps : paths.steps[r]) all += steps;
    std::vector<double>& shares = map.shares.emplace_back();
    std::vector<std::string>& notes = map.notes.emplace_back();
    for (std::size_t c = 0; c < map.columns.size(); ++c) {
      const std::uint64_t steps = paths.steps[r][c];
      shares.push_back(all == 0 ? 0 : static_cast<double>(steps) / static_cast<double>(all));
      notes.push_back(fmt::format("{} → {}: {} of {} ({:.2f} %)", map.rows[r], map.columns[c],
                                  grouped_number(static_cast<double>(steps)), grouped_number(static_cast<double>(all)),
                                  100 * shares.back()));
    }
  }
  return "<h2>Steps between channels</h2>\n" +
         note(
             "From the channel of a row to that of a column, in % of the row, in all journeys; (none): the journey "
             "ends without a conversion.") +
         "<div class=\"picture\">\n" + heat_map(map, "next step, % of the row") + "</div>\n";
}

std::string intervals_note(const ChannelTable& table) {
  std::string text = fmt::format("Lines: {:.0f} % intervals from {} resamples of the users.",
                                 100 * Bootstrap::kInterval, table.resamples);
  if (const std::string without = without_interval_text(table); !without.empty()) text += " " + without + ".";
  return text;
}

}  // namespace

std::string channel_page(const AttributeReport& report, const PathReport& paths) {
  std::string html = facts(report) + "<h2>Conversions credited to each channel, by mechanism</h2>\n";
  if (report.journeys == 0) html += note("No conversion has a click before it, so no channel has credit.");
  if (report.table.resamples > 0) html += note(intervals_note(report.table));
  html += mechanism_charts(report.table) + number_tables(report.table);
  html += "<h2>Journeys that convert</h2>\n<div class=\"charts\">\n" +
          histogram(paths.lengths, paths.conversions, "clicks of the journey (conversions)") +
          histogram(paths.times, paths.conversions, "from the first click to the conversion (conversions)") +
          "</div>\n";
  html += top_paths(paths, report.table.has_value) + steps_chart(paths);
  return html_page("Channel report", html);
}

}  // namespace mal

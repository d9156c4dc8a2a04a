#include "train/report/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "engine/error.h"
#include "engine/file.h"
#include "train/report/page.h"
#include "train/report/run_log.h"
#include "train/report/svg.h"

namespace mal {

namespace {

std::string shown(const std::optional<double>& value, int digits) {
  return value ? fmt::format("{:.{}f}", *value, digits) : "n/a";
}

// "+0.51 %" of `value` against `base`.
std::string change(const std::optional<double>& value, const std::optional<double>& base) {
  if (!value || !base || *base == 0) return "n/a";
  return fmt::format("{:+.2f} %", 100 * (*value - *base) / *base);
}

struct Row {
  std::string name;
  std::vector<std::string> cells;
};

std::vector<std::string> header() {
  return {"GAUC", "AUC", "LogLoss", "PCOC", "ECE"};
}

Row metrics_row(const std::string& name, const MetricValues& m) {
  return {name, {shown(m.gauc, 4), shown(m.auc, 4), shown(m.logloss, 5), shown(m.pcoc, 3), shown(m.ece, 5)}};
}

// PCOC is best at 1 and ECE at 0: a relative change of them says nothing.
Row change_row(const std::string& name, const MetricValues& m, const MetricValues& base) {
  return {name, {change(m.gauc, base.gauc), change(m.auc, base.auc), change(m.logloss, base.logloss), "", ""}};
}

std::vector<Row> comparison(const std::vector<RunLog>& runs) {
  std::vector<Row> rows;
  const RunLog& base = runs.front();
  if (!base.baseline_column.empty())
    rows.push_back(metrics_row(fmt::format("average by {}", base.baseline_column), base.baseline));
  for (const RunLog& run : runs) rows.push_back(metrics_row(run.name, run.test));
  for (std::size_t i = 1; i < runs.size(); ++i)
    rows.push_back(change_row(fmt::format("{} against {}", runs[i].name, base.name), runs[i].test, base.test));
  return rows;
}

std::string text_table(const std::vector<Row>& rows) {
  std::size_t width = 5;
  for (const Row& row : rows) width = std::max(width, row.name.size());
  const auto line = [&](const std::string& name, const std::vector<std::string>& cells) {
    std::string text = fmt::format("{:<{}}", name, width + 2);
    for (const std::string& cell : cells) text += fmt::format("{:>11}", cell);
    while (text.back() == ' ') text.pop_back();
    return text + "\n";
  };
  std::string text = line("model", header());
  for (const Row& row : rows) text += line(row.name, row.cells);
  return text;
}

std::string note(const std::vector<RunLog>& runs) {
  const RunLog& run = runs.front();
  return fmt::format(
      "primary view {}, {:.0f} test rows, {:.0f} positives, {:.0f} users in GAUC (weighted by clicks), "
      "seed {:.0f}",
      run.primary, run.test.rows, run.test.positives, run.test.users, run.seed);
}

std::string html_table(const std::vector<Row>& rows) {
  std::string html = "<table><tr><th>model</th>";
  for (const std::string& name : header()) html += "<th>" + name + "</th>";
  html += "</tr>\n";
  for (const Row& row : rows) {
    html += "<tr><td>" + escape_html(row.name) + "</td>";
    for (const std::string& cell : row.cells) html += "<td>" + escape_html(cell) + "</td>";
    html += "</tr>\n";
  }
  return html + "</table>\n";
}

std::string loss_chart(const std::vector<RunLog>& runs) {
  std::vector<Series> series;
  series.reserve(runs.size());
  for (const RunLog& run : runs) series.push_back({run.name, run.losses});
  return line_chart(series, {"Training loss of the primary view", "step", "log loss", false, false, false});
}

std::string reliability_chart(const std::vector<RunLog>& runs) {
  std::vector<Series> series;
  for (const RunLog& run : runs) {
    Series& points = series.emplace_back(Series{run.name, {}});
    for (const ReliabilityPoint& bin : run.reliability) points.points.emplace_back(bin.predicted, bin.observed);
  }
  return line_chart(series, {"Reliability on the test set, 20 bins of equal mass", "predicted rate", "observed rate",
                             true, true, true});
}

// GAUC of every slice of one column, a bar a run.
std::string slice_chart(const std::vector<RunLog>& runs, const std::string& column) {
  std::vector<std::string> names;
  std::vector<BarGroup> groups;
  names.reserve(runs.size());
  for (const RunLog& run : runs) names.push_back(run.name);
  for (const SliceValues& slice : runs.front().slices) {
    if (slice.column != column) continue;
    BarGroup group{slice.value, {}};
    for (const RunLog& run : runs) {
      const auto same = std::ranges::find_if(
          run.slices, [&](const SliceValues& s) { return s.column == column && s.value == slice.value; });
      group.values.push_back(same == run.slices.end() ? NAN : same->metrics.auc.value_or(NAN) - 0.5);
    }
    groups.push_back(std::move(group));
  }
  return bar_chart(groups, names, fmt::format("AUC above chance by {}", column), "AUC − 0.5");
}

std::string slice_charts(const std::vector<RunLog>& runs) {
  std::vector<std::string> columns;
  for (const SliceValues& slice : runs.front().slices)
    if (std::ranges::find(columns, slice.column) == columns.end()) columns.push_back(slice.column);
  std::string html;
  for (const std::string& column : columns) html += slice_chart(runs, column);
  return html;
}

std::string page_body(const std::vector<RunLog>& runs, const std::vector<Row>& rows) {
  return fmt::format("<p class=\"note\">{}</p>\n{}<div class=\"charts\">\n{}{}{}</div>\n", escape_html(note(runs)),
                     html_table(rows), loss_chart(runs), reliability_chart(runs), slice_charts(runs));
}

}  // namespace

void write_report(const ReportOptions& options) {
  std::vector<RunLog> runs;
  for (const std::string& folder : options.runs) runs.push_back(read_run_log(folder));
  for (const RunLog& run : runs)
    if (run.primary != runs.front().primary || run.test.rows != runs.front().test.rows)
      fail("{} and {} were tested on other rows or another primary view: they cannot be compared", runs.front().folder,
           run.folder);
  const std::vector<Row> rows = comparison(runs);
  fmt::print("{}\n({})\n", text_table(rows), note(runs));
  if (options.output.empty()) return;
  OutputFile file(options.output);
  file.write(html_page("Conversion-rate models compared", page_body(runs, rows)));
  file.commit();
}

}  // namespace mal

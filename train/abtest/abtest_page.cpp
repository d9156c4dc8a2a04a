#include <fmt/format.h>

#include <cmath>

#include "train/abtest/abtest_report.h"
#include "train/report/bars.h"
#include "train/report/page.h"
#include "train/report/svg.h"

namespace mal {

namespace {

std::string cell(const std::string& text) {
  return "<td>" + escape_html(text) + "</td>";
}

std::string change(double percent) {
  return std::isfinite(percent) ? fmt::format("{:+.2f} %", percent) : "n/a";
}

std::string with_interval(const Effect& effect) {
  return std::isfinite(effect.low)
             ? fmt::format("{} [{:+.2f}, {:+.2f}]", change(effect.change), effect.low, effect.high)
             : change(effect.change);
}

std::string ratio(double num, double den, int digits) {
  return den > 0 ? fmt::format("{:.{}f}", num / den, digits) : "n/a";
}

// Sums over the seeds.
std::string arms_table(const AbtestResult& result) {
  std::string html =
      "<div class=\"table\"><table><tr><th>arm</th><th>seed</th><th>users</th><th>shown</th><th>clicks</th>"
      "<th>spend</th><th>orders</th><th>GMV</th><th>ROI</th><th>mean pCVR</th><th>PCOC online</th><th>AUC on the "
      "log</th><th>scale</th></tr>\n";
  for (const SeedResult& seed : result.seeds)
    for (const ArmTotals& arm : seed.arms) {
      const Outcome& sum = arm.sum;
      html += "<tr>" + cell(arm.name) + cell(std::to_string(seed.seed)) + cell(grouped_number(arm.users)) +
              cell(grouped_number(sum.impressions)) + cell(grouped_number(sum.clicks)) +
              cell(grouped_number(std::round(sum.spend))) + cell(grouped_number(sum.orders)) +
              cell(grouped_number(std::round(sum.gmv))) + cell(ratio(sum.gmv, sum.spend, 2)) +
              cell(ratio(sum.predicted, sum.clicks, 4)) + cell(ratio(sum.predicted, sum.orders, 3)) +
              cell(arm.log.auc ? fmt::format("{:.4f}", *arm.log.auc) : "n/a") +
              cell(fmt::format("{:.3f}", arm.factor)) + "</tr>\n";
    }
  return html + "</table></div>\n";
}

std::string effects_table(const AbtestResult& result) {
  const std::vector<ArmTotals>& arms = result.seeds.front().arms;
  std::string html = "<div class=\"table\"><table><tr><th>against " + escape_html(arms[0].name) + "</th>";
  for (std::size_t a = 1; a < arms.size(); ++a) html += "<th>" + escape_html(arms[a].name) + "</th>";
  html += "<th>paper</th></tr>\n";
  for (std::size_t m = 0; m < measures().size(); ++m) {
    const Measure& measure = measures()[m];
    html += "<tr>" + cell(fmt::format("{}: {}{}", measure.name, measure.meaning,
                                      measure.truth ? ", as only the simulator knows" : ""));
    for (std::size_t a = 1; a < arms.size(); ++a) html += cell(with_interval(pooled_effect(result, a, m)));
    html += cell(measure.paper ? change(*measure.paper) : "") + "</tr>\n";
  }
  return html + "</table></div>\n";
}

IntervalRow row_of(const std::string& label, const Effect& effect) {
  return {label, effect.change, effect.low, effect.high};
}

std::string total_chart(const AbtestResult& result, std::size_t arm) {
  std::vector<IntervalRow> rows;
  for (std::size_t m = 0; m < measures().size(); ++m) {
    rows.push_back(row_of(std::string(measures()[m].name), pooled_effect(result, arm, m)));
    if (measures()[m].paper)
      rows.push_back({fmt::format("paper: {}", measures()[m].name), *measures()[m].paper, NAN, NAN});
  }
  const std::vector<ArmTotals>& arms = result.seeds.front().arms;
  return interval_chart(rows, fmt::format("{} against {}", arms[arm].name, arms[0].name), "difference, %");
}

std::string industry_chart(const AbtestResult& result, std::size_t arm) {
  std::vector<IntervalRow> rows;
  for (std::size_t i = 0; i < result.industries.size(); ++i) {
    rows.push_back(row_of(result.industries[i], pooled_effect(result, arm, i, 1)));
    if (const std::optional<double> paper = paper_orders(result.industries[i]))
      rows.push_back({"paper: " + result.industries[i], *paper, NAN, NAN});
  }
  const std::vector<ArmTotals>& arms = result.seeds.front().arms;
  return interval_chart(rows, fmt::format("Orders by industry, {} against {}", arms[arm].name, arms[0].name),
                        "difference, %");
}

std::string hours_chart(const AbtestResult& result) {
  std::vector<Series> series;
  for (std::size_t a = 0; a < result.seeds.front().arms.size(); ++a) {
    Series& line = series.emplace_back(Series{result.seeds.front().arms[a].name, {}});
    for (std::size_t hour = 0; hour < 24; ++hour) {
      double spend = 0, budget = 0;
      for (const SeedResult& seed : result.seeds) {
        spend += seed.arms[a].spend_by_hour[hour];
        budget += seed.arms[a].budget;
      }
      line.points.emplace_back(static_cast<double>(hour), 100 * spend / budget);
    }
  }
  return line_chart(series, {"Spend by the hour of the day", "hour", "% of all budgets", false, true, false});
}

std::string calibration_chart(const AbtestResult& result) {
  std::vector<BarGroup> groups;
  std::vector<std::string> names;
  for (std::size_t a = 0; a < result.seeds.front().arms.size(); ++a) {
    Outcome sum;
    LogCheck log;
    for (const SeedResult& seed : result.seeds) {
      sum += seed.arms[a].sum;
      log.predicted += seed.arms[a].factor * seed.arms[a].log.predicted;
      log.converted += seed.arms[a].log.converted;
    }
    groups.push_back(
        {result.seeds.front().arms[a].name, {log.predicted / log.converted - 1, sum.predicted / sum.orders - 1}});
  }
  return bar_chart(groups, {"on the log's last days", "on what was won and clicked"}, "Calibration", "PCOC − 1");
}

}  // namespace

std::string abtest_page(const AbtestOptions& options, const AbtestResult& result) {
  std::string body = fmt::format(
      "<p class=\"note\">Simulated online test: world {}, {} users, days {} to {} after a log of {} days; {}; {}. "
      "Intervals hold 95 %, over users and seeds.</p>\n",
      escape_html(options.world), options.users, options.from_day + 1, options.from_day + options.days,
      options.from_day,
      options.design == Design::paired ? "each user in every arm, with the same draws" : "each user in one arm",
      options.calibration == ArmCalibration::raw ? "probabilities as the models give them"
      : options.calibration == ArmCalibration::log
          ? "every arm's probabilities scaled to the rate of the log's last days"
          : "every arm's probabilities scaled to the rate of what it wins");
  body += arms_table(result);
  for (const SeedResult& seed : result.seeds)
    for (const std::string& note : overspending_notes(seed))
      body += fmt::format("<p class=\"note\">Seed {}: {}</p>\n", seed.seed, escape_html(note));
  body += effects_table(result) + "<div class=\"charts\">\n";
  for (std::size_t arm = 1; arm < result.seeds.front().arms.size(); ++arm)
    body += total_chart(result, arm) + industry_chart(result, arm);
  return html_page("Simulated online test", body + hours_chart(result) + calibration_chart(result) + "</div>\n");
}

}  // namespace mal

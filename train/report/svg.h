// Small charts as inline SVG.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace mal {

struct Series {
  std::string name;
  std::vector<std::pair<double, double>> points;
};

struct ChartOptions {
  std::string title, x_label, y_label;
  bool diagonal = false;     // y = x, for a reliability diagram
  bool markers = false;      // dots at the points
  bool logarithmic = false;  // both axes
};

std::string line_chart(const std::vector<Series>& series, const ChartOptions& options);

// One group a label, one bar a series; values may be negative.
struct BarGroup {
  std::string label;
  std::vector<double> values;
};
std::string bar_chart(const std::vector<BarGroup>& groups, const std::vector<std::string>& series,
                      const std::string& title, const std::string& y_label);

// A value with an interval, each on a line of its own; NaN: left out.
struct IntervalRow {
  std::string label;
  double value = 0, low = 0, high = 0;
};
std::string interval_chart(const std::vector<IntervalRow>& rows, const std::string& title, const std::string& x_label);

struct LabelledPoint {
  std::string label;
  double x = 0, y = 0, low = 0, high = 0;  // an upright line from low to high; NaN: none
};
std::string scatter_chart(const std::vector<LabelledPoint>& points, const std::string& title,
                          const std::string& x_label, const std::string& y_label);

// Values with intervals over the same places, such as days: a line a series. NaN: left out.
struct IntervalPoint {
  double value = 0, low = 0, high = 0;
};
struct IntervalSeries {
  std::string name;
  std::vector<IntervalPoint> points;  // one a place
  std::size_t colour = 0;             // series of one colour belong together
  bool dashed = false;
};
// reference: a level that is marked, such as 1 for PCOC; NaN: none.
std::string interval_lines(const std::vector<IntervalSeries>& series, const std::vector<std::string>& places,
                           const std::string& title, const std::string& y_label, double reference);

std::string escape_html(const std::string& text);

}  // namespace mal

#include "train/report/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace mal {

namespace {

constexpr double kWidth = 640, kHeight = 340, kLeft = 70, kRight = 20, kTop = 36, kBottom = 52;
// Told apart by people who confuse red and green too (Okabe and Ito's palette).
constexpr std::array kColours = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"};

const char* colour(std::size_t series) {
  return kColours[series % kColours.size()];
}

// Maps data to pixels on one axis.
struct Axis {
  double low, high, from, to;
  bool logarithmic = false;

  double place(double value) const {
    const double a = scaled(low), b = scaled(high);
    return from + (scaled(value) - a) / (b - a) * (to - from);
  }
  double scaled(double value) const { return logarithmic ? std::log10(value) : value; }

  std::vector<double> ticks() const {
    std::vector<double> values;
    if (logarithmic) {
      for (double decade = std::floor(std::log10(low)); decade <= std::log10(high); ++decade)
        for (const double step : {1.0, 2.0, 5.0})
          if (const double tick = step * std::pow(10, decade); tick >= low && tick <= high) values.push_back(tick);
      return values;
    }
    const double raw = (high - low) / 5;
    const double unit = std::pow(10, std::floor(std::log10(raw)));
    const double step = unit * (raw / unit < 1.5 ? 1 : raw / unit < 3.5 ? 2 : raw / unit < 7.5 ? 5 : 10);
    // Whole multiples, so that 0 is exactly 0; and not −0.
    for (double k = std::ceil(low / step) + 0.0; k * step <= high + step * 1e-9; ++k) values.push_back(k * step);
    return values;
  }
};

Axis make_axis(double low, double high, double from, double to, bool logarithmic) {
  if (!(high > low)) {
    low -= 0.5 * std::abs(low) + 1e-3;
    high += 0.5 * std::abs(high) + 1e-3;
  }
  if (logarithmic) low = std::max(low, 1e-9);
  return {low, high, from, to, logarithmic};
}

std::string text_at(double x, double y, const std::string& anchor, const std::string& text) {
  return fmt::format(R"(<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>)", x, y, anchor, escape_html(text));
}

std::string line_between(double x1, double y1, double x2, double y2, const char* css) {
  return fmt::format(R"(<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" class="{}"/>)", x1, y1, x2, y2, css);
}

std::string frame(const Axis* x, const Axis& y, const std::string& title, const std::string& x_label,
                  const std::string& y_label) {
  std::string svg = fmt::format("<text x=\"{}\" y=\"18\" class=\"title\">{}</text>", kLeft, escape_html(title));
  for (const double tick : y.ticks()) {
    svg += line_between(kLeft, y.place(tick), kWidth - kRight, y.place(tick), "grid");
    svg += text_at(kLeft - 6, y.place(tick) + 4, "end", fmt::format("{:.4g}", tick));
  }
  if (x != nullptr)
    for (const double tick : x->ticks()) {
      svg += line_between(x->place(tick), kTop, x->place(tick), kHeight - kBottom, "grid");
      svg += text_at(x->place(tick), kHeight - kBottom + 16, "middle", fmt::format("{:.4g}", tick));
    }
  svg += text_at((kLeft + kWidth - kRight) / 2, kHeight - 4, "middle", x_label);
  svg += fmt::format(R"svg(<text transform="translate(14 {:.1f}) rotate(-90)" text-anchor="middle">{}</text>)svg",
                     (kTop + kHeight - kBottom) / 2, escape_html(y_label));
  return svg;
}

std::string legend(const std::vector<std::string>& names) {
  std::string svg;
  double x = kWidth - kRight;
  for (std::size_t i = names.size(); i-- > 0;) {
    svg += text_at(x, 18, "end", names[i]);
    x -= 8.0 * static_cast<double>(names[i].size()) + 6;
    svg += fmt::format(R"(<rect x="{:.1f}" y="9" width="10" height="10" fill="{}"/>)", x - 10, colour(i));
    x -= 24;
  }
  return svg;
}

// An upright line with a short stroke at each end.
std::string interval_mark(double x, const Axis& y, double low, double high) {
  if (!std::isfinite(low) || !std::isfinite(high)) return "";
  constexpr double kCap = 4;
  return line_between(x, y.place(low), x, y.place(high), "interval") +
         line_between(x - kCap, y.place(low), x + kCap, y.place(low), "interval") +
         line_between(x - kCap, y.place(high), x + kCap, y.place(high), "interval");
}

std::string wrap(const std::string& content, double height = kHeight) {
  return fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\">{}</svg>\n", kWidth, height, content);
}

}  // namespace

std::string escape_html(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::string line_chart(const std::vector<Series>& series, const ChartOptions& options) {
  double x_low = INFINITY, x_high = -INFINITY, y_low = INFINITY, y_high = -INFINITY;
  for (const Series& s : series)
    for (const auto& [x, y] : s.points) {
      if (options.logarithmic && (x <= 0 || y <= 0)) continue;
      x_low = std::min(x_low, x), x_high = std::max(x_high, x);
      y_low = std::min(y_low, y), y_high = std::max(y_high, y);
    }
  if (!std::isfinite(x_low)) return wrap(text_at(kWidth / 2, kHeight / 2, "middle", options.title + ": no data"));
  if (options.diagonal) x_low = y_low = std::min(x_low, y_low), x_high = y_high = std::max(x_high, y_high);
  const Axis x = make_axis(x_low, x_high, kLeft, kWidth - kRight, options.logarithmic);
  const Axis y = make_axis(y_low, y_high, kHeight - kBottom, kTop, options.logarithmic);
  std::string svg = frame(&x, y, options.title, options.x_label, options.y_label);
  if (options.diagonal) svg += line_between(x.place(x.low), y.place(y.low), x.place(x.high), y.place(y.high), "ideal");
  std::vector<std::string> names;
  for (std::size_t i = 0; i < series.size(); ++i) {
    names.push_back(series[i].name);
    std::string path;
    for (const auto& [px, py] : series[i].points) {
      if (options.logarithmic && (px <= 0 || py <= 0)) continue;
      path += fmt::format("{:.1f},{:.1f} ", x.place(px), y.place(py));
      if (options.markers)
        svg +=
            fmt::format(R"(<circle cx="{:.1f}" cy="{:.1f}" r="3.5" fill="{}"/>)", x.place(px), y.place(py), colour(i));
    }
    svg += fmt::format(R"(<polyline points="{}" fill="none" stroke="{}" stroke-width="1.8"/>)", path, colour(i));
  }
  return wrap(svg + legend(names));
}

std::string bar_chart(const std::vector<BarGroup>& groups, const std::vector<std::string>& series,
                      const std::string& title, const std::string& y_label) {
  if (groups.empty() || series.empty()) return wrap(text_at(kWidth / 2, kHeight / 2, "middle", title + ": no data"));
  double low = 0, high = 0;
  for (const BarGroup& group : groups)
    for (const double value : group.values) {
      if (!std::isfinite(value)) continue;
      low = std::min(low, value);
      high = std::max(high, value);
    }
  const Axis y = make_axis(low, high, kHeight - kBottom, kTop, false);
  std::string svg = frame(nullptr, y, title, "", y_label);
  const double slot = (kWidth - kLeft - kRight) / static_cast<double>(groups.size());
  const double bar = slot * 0.7 / static_cast<double>(series.size());
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const double left = kLeft + slot * (static_cast<double>(g) + 0.15);
    for (std::size_t s = 0; s < groups[g].values.size(); ++s) {
      const double value = groups[g].values[s];
      if (!std::isfinite(value)) continue;
      const double top = std::min(y.place(value), y.place(0));
      svg +=
          fmt::format(R"(<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" fill="{}"/>)",
                      left + bar * static_cast<double>(s), top, bar, std::abs(y.place(value) - y.place(0)), colour(s));
    }
    svg += fmt::format(R"svg(<text transform="translate({:.1f} {:.1f}) rotate(-20)" text-anchor="end">{}</text>)svg",
                       left + slot * 0.45, kHeight - kBottom + 16, escape_html(groups[g].label));
  }
  svg += line_between(kLeft, y.place(0), kWidth - kRight, y.place(0), "axis");
  return wrap(svg + legend(series));
}

std::string interval_chart(const std::vector<IntervalRow>& rows, const std::string& title, const std::string& x_label) {
  constexpr double kLabels = 240, kRow = 26, kDot = 4;
  const double bottom = kTop + kRow * static_cast<double>(rows.size()), height = bottom + kBottom;
  double low = 0, high = 0;
  for (const IntervalRow& row : rows)
    for (const double value : {row.value, row.low, row.high})
      if (std::isfinite(value)) low = std::min(low, value), high = std::max(high, value);
  const Axis x = make_axis(low, high, kLabels, kWidth - kRight, false);
  std::string svg = fmt::format("<text x=\"{}\" y=\"18\" class=\"title\">{}</text>", kDot, escape_html(title));
  for (const double tick : x.ticks()) {
    svg += line_between(x.place(tick), kTop, x.place(tick), bottom, "grid");
    svg += text_at(x.place(tick), bottom + 16, "middle", fmt::format("{:.4g}", tick));
  }
  svg += line_between(x.place(0), kTop, x.place(0), bottom, "axis");
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const double y = kTop + kRow * (static_cast<double>(r) + 0.5);
    svg += text_at(kLabels - 10, y + 4, "end", rows[r].label);
    if (std::isfinite(rows[r].low) && std::isfinite(rows[r].high))
      svg += line_between(x.place(rows[r].low), y, x.place(rows[r].high), y, "interval");
    if (std::isfinite(rows[r].value))
      svg += fmt::format(R"(<circle cx="{:.1f}" cy="{:.1f}" r="{}" fill="{}"/>)", x.place(rows[r].value), y, kDot,
                         colour(0));
  }
  svg += text_at((kLabels + kWidth - kRight) / 2, height - 8, "middle", x_label);
  return wrap(svg, height);
}

std::string scatter_chart(const std::vector<LabelledPoint>& points, const std::string& title,
                          const std::string& x_label, const std::string& y_label) {
  if (points.empty()) return wrap(text_at(kWidth / 2, kHeight / 2, "middle", title + ": no data"));
  double x_low = INFINITY, x_high = -INFINITY, y_low = 0, y_high = 0;
  for (const LabelledPoint& point : points) {
    x_low = std::min(x_low, point.x), x_high = std::max(x_high, point.x);
    y_low = std::min(y_low, point.y), y_high = std::max(y_high, point.y);
    if (std::isfinite(point.low)) y_low = std::min(y_low, point.low);
    if (std::isfinite(point.high)) y_high = std::max(y_high, point.high);
  }
  const double margin = 0.05 * (x_high - x_low);
  const Axis x = make_axis(x_low - margin, x_high + margin, kLeft, kWidth - kRight, false);
  const Axis y = make_axis(y_low, y_high, kHeight - kBottom, kTop, false);
  std::string svg = frame(&x, y, title, x_label, y_label);
  svg += line_between(kLeft, y.place(0), kWidth - kRight, y.place(0), "axis");
  for (const LabelledPoint& point : points) {
    const double px = x.place(point.x), py = y.place(point.y);
    svg += interval_mark(px, y, point.low, point.high);
    svg += fmt::format(R"(<circle cx="{:.1f}" cy="{:.1f}" r="4" fill="{}"/>)", px, py, colour(0));
    // On the side that has room.
    const bool left = px > (kLeft + kWidth - kRight) / 2;
    svg += text_at(px + (left ? -7 : 7), py - 5, left ? "end" : "start", point.label);
  }
  return wrap(svg);
}

std::string interval_lines(const std::vector<IntervalSeries>& series, const std::vector<std::string>& places,
                           const std::string& title, const std::string& y_label, double reference) {
  double low = INFINITY, high = -INFINITY;
  const auto widen = [&](double value) {
    if (std::isfinite(value)) low = std::min(low, value), high = std::max(high, value);
  };
  for (const IntervalSeries& of : series)
    for (const IntervalPoint& point : of.points) widen(point.value), widen(point.low), widen(point.high);
  if (!std::isfinite(low)) return wrap(text_at(kWidth / 2, kHeight / 2, "middle", title + ": no data"));
  widen(reference);
  constexpr double kLegend = 20, kMostLabels = 10;
  const double margin = 0.04 * (high - low);
  const Axis y = make_axis(low - margin, high + margin, kHeight - kBottom, kTop + kLegend, false);
  const double slot = (kWidth - kLeft - kRight) / static_cast<double>(places.size());
  std::string svg = frame(nullptr, y, title, "", y_label);
  const auto every = static_cast<std::size_t>(std::ceil(static_cast<double>(places.size()) / kMostLabels));
  for (std::size_t p = 0; p < places.size(); p += every)
    svg +=
        fmt::format(R"svg(<text transform="translate({:.1f} {:.1f}) rotate(-20)" text-anchor="end">{}</text>)svg",
                    kLeft + slot * (static_cast<double>(p) + 0.5) + 6, kHeight - kBottom + 16, escape_html(places[p]));
  if (std::isfinite(reference))
    svg += line_between(kLeft, y.place(reference), kWidth - kRight, y.place(reference), "axis");
  double legend_x = kLeft;
  for (std::size_t s = 0; s < series.size(); ++s) {
    const IntervalSeries& of = series[s];
    // Side by side, so that the intervals of one place do not hide each other.
    const double beside = std::min(7.0, 0.6 * slot / static_cast<double>(series.size())) *
                          (static_cast<double>(s) - 0.5 * static_cast<double>(series.size() - 1));
    const std::string stroke =
        fmt::format(R"(stroke="{}"{})", colour(of.colour), of.dashed ? R"( stroke-dasharray="5 4")" : "");
    std::string path;
    for (std::size_t p = 0; p < of.points.size(); ++p) {
      const IntervalPoint& point = of.points[p];
      if (!std::isfinite(point.value)) continue;
      const double x = kLeft + slot * (static_cast<double>(p) + 0.5) + beside;
      path += fmt::format("{:.1f},{:.1f} ", x, y.place(point.value));
      if (std::isfinite(point.low) && std::isfinite(point.high))
        svg += fmt::format(R"(<line x1="{0:.1f}" y1="{1:.1f}" x2="{0:.1f}" y2="{2:.1f}" stroke="{3}" opacity=".55"/>)",
                           x, y.place(point.low), y.place(point.high), colour(of.colour));
      svg += fmt::format(R"(<circle cx="{:.1f}" cy="{:.1f}" r="3" fill="{}"/>)", x, y.place(point.value),
                         of.dashed ? "#fff" : colour(of.colour));
      if (of.dashed)
        svg += fmt::format(R"(<circle cx="{:.1f}" cy="{:.1f}" r="3" fill="none" stroke="{}"/>)", x,
                           y.place(point.value), colour(of.colour));
    }
    svg += fmt::format(R"(<polyline points="{}" fill="none" {} stroke-width="1.6"/>)", path, stroke);
    svg += fmt::format(R"(<line x1="{:.1f}" y1="34" x2="{:.1f}" y2="34" {} stroke-width="2"/>)", legend_x,
                       legend_x + 22, stroke);
    svg += text_at(legend_x + 27, 38, "start", of.name);
    legend_x += 45 + 7.0 * static_cast<double>(of.name.size());
  }
  return wrap(svg);
}

}  // namespace mal

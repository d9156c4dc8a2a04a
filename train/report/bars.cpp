#include "train/report/bars.h"

#include <fmt/format.h>

#include <algorithm>

#include "train/report/svg.h"

namespace mal {

namespace {

constexpr double kWidth = 640, kTop = 30, kMargin = 8;
constexpr double kRow = 22, kBar = 14, kNotes = 120;  // pixels: a row, its bar, what is left for the notes
constexpr double kNarrow = 6.9, kWide = 12.2;         // of a character: of Latin and of other scripts
constexpr const char* kColour = "#0072b2";

std::string svg_of(double height, const std::string& content) {
  return fmt::format("<svg viewBox=\"0 0 {} {:.0f}\" role=\"img\">{}</svg>\n", kWidth, height, content);
}

std::string title_text(const std::string& title) {
  return fmt::format("<text x=\"{}\" y=\"18\" class=\"title\">{}</text>", kMargin, escape_html(title));
}

// A label that may have been cut tells the whole name to a pointer.
std::string label_at(double x, double y, double pixels, const std::string& text) {
  return fmt::format(R"(<text x="{:.1f}" y="{:.1f}" text-anchor="end">{}<title>{}</title></text>)", x, y,
                     escape_html(fitted_text(text, pixels)), escape_html(text));
}

std::string whisker(double y, double low, double high) {
  const auto line = [](double x1, double y1, double x2, double y2) {
    return fmt::format(R"(<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" class="interval"/>)", x1, y1, x2, y2);
  };
  return line(low, y, high, y) + line(low, y - 4, low, y + 4) + line(high, y - 4, high, y + 4);
}

std::size_t bytes_of_character(const std::string& text, std::size_t at) {
  const auto first = static_cast<unsigned char>(text[at]);
  return std::min<std::size_t>(first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4, text.size() - at);
}

double character_width(std::size_t bytes) {
  return bytes < 3 ? kNarrow : kWide;
}

double width_of(const std::string& text) {
  double width = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t bytes = bytes_of_character(text, at);
    width += character_width(bytes);
    at += bytes;
  }
  return width;
}

// What the labels of a chart need, and its bars can spare.
double label_width(const std::vector<BarRow>& rows) {
  double width = 0;
  for (const BarRow& row : rows) width = std::max(width, width_of(row.label));
  return std::clamp(width + 6 + 2 * kMargin, 80.0, 250.0);
}

// White to blue. Shares are seen by their root: 5 % must not look like 0.
std::string cell_colour(double share) {
  const double depth = std::sqrt(std::clamp(share, 0.0, 1.0));
  const auto mix = [depth](double full) { return static_cast<int>(std::lround(255 + (full - 255) * depth)); };
  return fmt::format("#{:02x}{:02x}{:02x}", mix(0), mix(0x72), mix(0xb2));
}

}  // namespace

std::string fitted_text(const std::string& text, double pixels) {
  double width = 0;
  std::size_t at = 0, fits = 0;
  while (at < text.size()) {
    const std::size_t bytes = bytes_of_character(text, at);
    width += character_width(bytes);
    if (width > pixels) return text.substr(0, fits) + "…";
    at += bytes;
    if (width + kWide <= pixels) fits = at;
  }
  return text;
}

std::string grouped_number(double number) {
  if (number < 100 && number != std::floor(number)) return fmt::format("{:.2f}", number);
  std::string digits = fmt::format("{:.0f}", number);
  for (std::size_t end = digits.size(); end > 3; end -= 3) digits.insert(end - 3, ",");
  return digits;
}

std::string bar_rows(const std::vector<BarRow>& rows, const BarRowsOptions& options) {
  const double height = kTop + kRow * static_cast<double>(std::max<std::size_t>(rows.size(), 1)) + kMargin;
  std::string svg = title_text(options.title);
  double largest = options.largest;
  for (const BarRow& row : rows)
    for (const double value : {row.value, row.high})
      if (options.largest == 0 && std::isfinite(value)) largest = std::max(largest, value);
  const double left = options.label_width > 0 ? options.label_width : label_width(rows),
               scale = largest > 0 ? (kWidth - kNotes - left) / largest : 0;
  if (rows.empty()) svg += fmt::format("<text x=\"{}\" y=\"{}\">nothing to show</text>", kMargin, kTop + 14);
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const BarRow& row = rows[r];
    const double middle = kTop + kRow * (static_cast<double>(r) + 0.5), length = row.value * scale;
    const bool interval = std::isfinite(row.low) && std::isfinite(row.high);
    svg += label_at(left - 6, middle + 4, left - 6 - kMargin, row.label);
    svg += fmt::format(R"(<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{}" fill="{}"/>)", left, middle - kBar / 2,
                       length, kBar, kColour);
    if (interval) svg += whisker(middle, left + row.low * scale, left + row.high * scale);
    svg += fmt::format(R"(<text x="{:.1f}" y="{:.1f}">{}</text>)",
                       left + (interval ? std::max(length, row.high * scale) : length) + 6, middle + 4,
                       escape_html(row.note.empty() ? grouped_number(row.value) : row.note));
  }
  return svg_of(height, svg);
}

std::string heat_map(const HeatMap& map, const std::string& title) {
  constexpr double kLabels = 130, kHead = 110;  // pixels of the names of rows, and of the slanted ones of columns
  const double cell =
      std::min(56.0, (kWidth - kLabels - 60) / static_cast<double>(std::max<std::size_t>(map.columns.size(), 1)));
  const double high = std::clamp(cell, 12.0, 26.0);
  const double top = kTop + kHead;
  std::string svg = title_text(title);
  for (std::size_t c = 0; c < map.columns.size(); ++c)
    svg += fmt::format(R"svg(<text transform="translate({:.1f} {:.1f}) rotate(-55)">{}<title>{}</title></text>)svg",
                       kLabels + cell * (static_cast<double>(c) + 0.5), top - 6,
                       escape_html(fitted_text(map.columns[c], 115)), escape_html(map.columns[c]));
  for (std::size_t r = 0; r < map.rows.size(); ++r) {
    const double y = top + high * static_cast<double>(r);
    svg += label_at(kLabels - 6, y + high / 2 + 4, kLabels - 6 - kMargin, map.rows[r]);
    for (std::size_t c = 0; c < map.columns.size(); ++c) {
      const double share = map.shares[r][c], x = kLabels + cell * static_cast<double>(c);
      svg += fmt::format(
          R"(<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" fill="{}"><title>{}</title></rect>)", x, y,
          cell - 1, high - 1, cell_colour(share), escape_html(map.notes[r][c]));
      if (cell >= 34 && share >= 0.0005)
        svg +=
            fmt::format(R"(<text x="{:.1f}" y="{:.1f}" text-anchor="middle" class="{}">{:.{}f}</text>)", x + cell / 2,
                        y + high / 2 + 4, share > 0.4 ? "light" : "dark", 100 * share, share < 0.1 ? 1 : 0);
    }
  }
  return svg_of(top + high * static_cast<double>(map.rows.size()) + kMargin, svg);
}

}  // namespace mal

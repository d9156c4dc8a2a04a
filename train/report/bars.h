// Charts of tables whose rows have names of any length, as inline SVG: bars that lie, and heat maps.
#pragma once

#include <cmath>
#include <string>
#include <vector>

namespace mal {

struct BarRow {
  std::string label;
  double value = 0;
  std::string note = {};         // at the end of the bar; empty: the value
  double low = NAN, high = NAN;  // a line from low to high; NaN: none
};

struct BarRowsOptions {
  std::string title;
  double largest = 0;      // the longest bar of charts that share a scale; 0: of this one
  double label_width = 0;  // pixels of 640; 0: what the longest label needs, within reason
};

// A row a bar; values are at least 0.
std::string bar_rows(const std::vector<BarRow>& rows, const BarRowsOptions& options);

struct HeatMap {
  std::vector<std::string> rows, columns;
  std::vector<std::vector<double>> shares;      // [row][column], 0 to 1: the colour
  std::vector<std::vector<std::string>> notes;  // likewise: what a pointer held over the cell is told
};
std::string heat_map(const HeatMap& map, const std::string& title);

// The text, cut with … where it is wider than that many pixels at the size of chart labels.
std::string fitted_text(const std::string& text, double pixels);

// 1234567.8 as 1,234,568; numbers below 100 with two decimals, unless they are whole.
std::string grouped_number(double number);

}  // namespace mal

// The charts of the reports.
#include <catch2/catch.hpp>

#include "train/report/svg.h"

namespace mal {

TEST_CASE("charts: an axis that begins just below 0 says 0, not -0") {
  const std::string chart = line_chart({{"loss", {{0, -0.3}, {1, 20}}}}, {"t", "x", "y"});
  CHECK(chart.find(">0</text>") != std::string::npos);
  CHECK(chart.find(">-0</text>") == std::string::npos);
}

}  // namespace mal

// The tables and pictures of a progressive evaluation, and the same numbers as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "train/days/day_results.h"
#include "train/experiment/result_table.h"

namespace mal {

// Over all days; what going on brings against the model of the first day; day by day.
std::vector<ResultTable> day_tables(const DayResults& results);

// SVG: each metric over the days, then the differences.
std::vector<std::string> day_pictures(const DayResults& results);

nlohmann::ordered_json day_json(const DayResults& results);

}  // namespace mal

// Tables to files: tables/ID.md and ID.json, all of them in report.md and, with pictures, in report.html.
#pragma once

#include <string>
#include <vector>

#include "train/experiment/result_table.h"

namespace mal {

std::string to_markdown(const ResultTable& table);
std::string to_html(const ResultTable& table);

// Each file is written whole or not at all.
void write_results(const std::string& folder, const std::string& title, const std::vector<ResultTable>& tables);

}  // namespace mal

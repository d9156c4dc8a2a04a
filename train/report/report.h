// `mal_gpu_train report`: finished runs side by side, as a table and as a page of pictures.
#pragma once

#include <string>
#include <vector>

namespace mal {

struct ReportOptions {
  std::vector<std::string> runs;  // folders; changes are relative to the first
  std::string output;             // HTML file; empty: the table alone
};

// Prints the table and writes the page: loss, reliability, slices. The page is one file that opens offline.
void write_report(const ReportOptions& options);

}  // namespace mal

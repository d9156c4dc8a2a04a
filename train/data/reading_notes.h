// What was passed over in the input without an error, and has to be said.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <set>
#include <string>
#include <vector>

namespace mal {

struct ReadingNotes {
  std::size_t empty_files = 0;            // of 0 bytes, as Spark writes for a part without rows
  std::set<std::string> ignored_columns;  // row numbers of pandas; one without a name is ""

  void add_ignored(const std::vector<std::string>& columns) { ignored_columns.insert(columns.begin(), columns.end()); }

  std::vector<std::string> lines() const {
    std::vector<std::string> lines;
    if (empty_files > 0)
      lines.push_back(fmt::format("{} empty file{} passed over", empty_files, empty_files == 1 ? "" : "s"));
    for (const std::string& name : ignored_columns)
      lines.push_back(fmt::format("column {} ignored: it holds row numbers of pandas (to_csv(index=False) writes none)",
                                  name.empty() ? "without a name" : "'" + name + "'"));
    return lines;
  }
};

}  // namespace mal

// What was passed over in the input without an error, and has to be said.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "train/data/text_table.h"

namespace mal {

struct ReadingNotes {
  std::size_t empty_files = 0;            // as Spark and pandas write for a part without rows
  std::set<std::string> ignored_columns;  // row numbers of pandas; one without a name is ""

  std::set<std::string> replaced_columns;  // whose values folders' names gave

  void add(const TextTable& table) {
    ignored_columns.insert(table.ignored().begin(), table.ignored().end());
    replaced_columns.insert(table.replaced().begin(), table.replaced().end());
  }

  std::vector<std::string> lines() const {
    std::vector<std::string> lines;
    if (empty_files > 0)
      lines.push_back(fmt::format("{} empty file{} passed over", empty_files, empty_files == 1 ? "" : "s"));
    for (const std::string& name : ignored_columns)
      lines.push_back(fmt::format("column {} ignored: it holds row numbers of pandas (to_csv(index=False) writes none)",
                                  name.empty() ? "without a name" : "'" + name + "'"));
    for (const std::string& name : replaced_columns)
      lines.push_back(
          fmt::format("column '{0}' of the files not read: the folders' {0}=... stands for it, as in Spark", name));
    return lines;
  }
};

}  // namespace mal

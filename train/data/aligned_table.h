// Rows of text cells, printed with aligned columns.
#pragma once

#include <string>
#include <vector>

namespace mal {

class AlignedTable {
 public:
  explicit AlignedTable(std::vector<std::string> header) { rows_.push_back(std::move(header)); }
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }  // as many cells as the header
  std::string text() const;  // the first column to the left, the others to the right; a line feed after each row

 private:
  std::vector<std::vector<std::string>> rows_;
};

std::string with_thousands(long long number);  // 1009933 → "1,009,933"

}  // namespace mal

// For the tests of the simulated platform.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "engine/file.h"

namespace mal::test {

class SimulationFolder {
 public:
  SimulationFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "mal_simulate_XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = name;
  }
  ~SimulationFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  SimulationFolder(const SimulationFolder&) = delete;
  SimulationFolder& operator=(const SimulationFolder&) = delete;
  std::string path(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// The rows of a CSV file without quotes, by the names of its header.
inline std::vector<std::map<std::string, std::string>> csv_rows(const std::string& path) {
  std::istringstream text(read_file(path));
  const auto cells_of = [](const std::string& line) {
    std::vector<std::string> cells(1);
    for (const char c : line)
      if (c == ',')
        cells.emplace_back();
      else
        cells.back() += c;
    return cells;
  };
  std::string line;
  std::getline(text, line);
  const std::vector<std::string> header = cells_of(line);
  std::vector<std::map<std::string, std::string>> rows;
  while (std::getline(text, line)) {
    const std::vector<std::string> cells = cells_of(line);
    for (std::size_t i = 0; i < header.size(); ++i)
      (i == 0 ? rows.emplace_back() : rows.back())[header[i]] = cells.at(i);
  }
  return rows;
}

}  // namespace mal::test

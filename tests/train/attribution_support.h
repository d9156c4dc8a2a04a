// What the tests of `mal_data attribute` share.
#pragma once

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "engine/error.h"
#include "engine/file.h"
#include "train/attribution/attribute.h"

namespace mal::test {

// A folder of its own for each test.
class AttributionFolder {
 public:
  AttributionFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "mal_attribution_XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = name;
  }
  ~AttributionFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ + "/" + name, std::ios::binary) << text;
    return path_ + "/" + name;
  }
  std::string path(const std::string& name) const { return path_ + "/" + name; }

  // Options of the two-file mode.
  AttributeOptions options(const std::string& clicks, const std::string& conversions) const {
    AttributeOptions o;
    o.inputs = {write("clicks.csv", clicks)};
    o.conversions = {write("conversions.csv", conversions)};
    o.out = path("out");
    o.progress = false;
    return o;
  }
  AttributeOptions one_file(const std::string& name, const std::string& text, const std::string& format) const {
    AttributeOptions o;
    o.inputs = {write(name, text)};
    o.format = format;
    o.out = path("out");
    o.progress = false;
    return o;
  }

 private:
  std::string path_;
};

inline std::vector<std::string> attribution_lines(const std::string& path) {
  std::istringstream text(read_file(path));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

// Runs it, wants an error, and nothing left on disk.
inline std::string attribution_error(const AttributeOptions& options, int exit_code = 1) {
  try {
    attribute(options);
  } catch (const Error& error) {
    CHECK(error.exit_code() == exit_code);
    CHECK_FALSE(std::filesystem::exists(options.out));
    CHECK_FALSE(std::filesystem::exists(options.out + ".tmp"));
    return error.what();
  }
  return "no error";
}

}  // namespace mal::test

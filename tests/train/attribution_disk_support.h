// A log on disk beside the same log in memory.
#pragma once

#include <catch2/catch.hpp>
#include <filesystem>
#include <iterator>
#include <string>

#include "tests/train/attribution_support.h"
#include "tests/train/dataset_support.h"
#include "train/attribution/log_memory.h"

namespace mal::test {

inline void expect_same_folders(const std::string& a, const std::string& b) {
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(a)) {
    ++files;
    const std::string name = entry.path().filename().string();
    INFO(name);
    CHECK(bytes_of(a + "/" + name) == bytes_of(b + "/" + name));
  }
  CHECK(files == static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(b), {})));
}

inline AttributeReport expect_same_on_disk(AttributeOptions o, const AttributionFolder& folder) {
  o.memory = 1U << 30;
  REQUIRE_FALSE(kept_on_disk(o));
  o.out = folder.path("memory");
  const AttributeReport report = attribute(o);
  o.memory = 1;
  REQUIRE(kept_on_disk(o));
  o.out = folder.path("disk");
  CHECK(summary(attribute(o)) == summary(report));
  expect_same_folders(folder.path("memory"), folder.path("disk"));
  return report;
}

// The error of both, and nothing is left.
inline std::string same_error_on_disk(AttributeOptions o) {
  o.memory = 1U << 30;
  const std::string in_memory = attribution_error(o);
  o.memory = 1;
  CHECK(attribution_error(o) == in_memory);
  return in_memory;
}

}  // namespace mal::test

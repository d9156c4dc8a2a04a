// Every format version that was ever written loads for ever and gives the same probability. Built for other processors
// too (neon.sh).
#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "tests/inference/golden.h"

namespace {

using namespace mal;

TEST_CASE("golden model files load and give their probabilities") {
  std::ifstream list(test::kGoldenFolder + "expected.txt");
  std::string name;
  float expected = 0;
  int listed = 0, files = 0;
  while (list >> name >> expected) {
    INFO(name);
    CHECK(std::abs(test::golden_probability(infer::Model::load(test::kGoldenFolder + name)) - expected) < 1e-6F);
    ++listed;
  }
  for (const auto& entry : std::filesystem::directory_iterator(test::kGoldenFolder))
    files += entry.path().extension() == ".mal" ? 1 : 0;
  CHECK(listed == files);
  CHECK(files > 0);
}

}  // namespace

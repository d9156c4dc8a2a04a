// The model files of golden_files_test.cpp: one of every type, and how they are made.
//   inference_tests "[.write-golden]"   writes those that are not there yet; never change one that is
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "tests/inference/exported_model.h"
#include "tests/inference/golden.h"

namespace {

using namespace mal;

// One a model type, and one a way of the trunk that is not its default.
std::vector<std::pair<std::string, ModelConfig>> golden_configs() {
  std::vector<std::pair<std::string, ModelConfig>> list;
  for (const std::string& type : model_types()) list.emplace_back(type, test::small_config(type));
  const auto trunk = [&](const std::string& name) -> ModelConfig& {
    return list.emplace_back("trunk-" + name, test::small_config("base")).second;
  };
  trunk("mha").interaction.attention = Attention::mha;
  trunk("senet").senet.enabled = true;
  for (auto& [name, config] : list) config.mal.cat = false;  // 2^4 logits are most of the bytes
  return list;
}

TEST_CASE("there is a golden model file of every type") {
  for (const auto& [what, config] : golden_configs())
    CHECK(std::filesystem::exists(test::kGoldenFolder + "v1-" + what + ".mal"));
}

TEST_CASE("write the golden files that are missing", "[.write-golden]") {
  for (const auto& [what, config] : golden_configs()) {
    const std::string name = "v1-" + what + ".mal";
    if (std::filesystem::exists(test::kGoldenFolder + name)) continue;
    const test::ExportedModel exported(config, {}, 2);
    std::filesystem::copy_file(exported.path, test::kGoldenFolder + name);
    std::ofstream(test::kGoldenFolder + "expected.txt", std::ios::app)
        << fmt::format("{} {:.9g}\n", name, test::golden_probability(infer::Model::load(exported.path)));
  }
}

}  // namespace

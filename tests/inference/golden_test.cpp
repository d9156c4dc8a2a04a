// Every format version that was ever written loads for ever and gives the same probability. The files are also where
// the fuzzer starts from.
//   inference_tests "[.write-golden]"   writes those that are not there yet; never change one that is
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "tests/inference/exported_model.h"

namespace {

using namespace mal;

const std::string kFolder = std::string(MAL_TEST_DATA) + "/../inference/corpus/";

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

float probability(const infer::Model& model) {
  infer::Features row = model.features();
  const std::vector<std::pair<std::string, std::string>> values = {
      {"user", "user_3"},        {"item", "item_2"}, {"tags", "tags_1|tags_2"}, {"item_seq", "item_4|x|item_1"},
      {"scores", "0.5|-0.25|1"}, {"price", "0.75"}};
  for (const auto& [column, text] : values) row.set(column, text);
  return model.scorer().predict(row);
}

TEST_CASE("golden model files load and give their probabilities") {
  std::ifstream list(kFolder + "expected.txt");
  std::string name;
  float expected = 0;
  int files = 0;
  while (list >> name >> expected) {
    INFO(name);
    CHECK(std::abs(probability(infer::Model::load(kFolder + name)) - expected) < 1e-6F);
    ++files;
  }
  CHECK(files == static_cast<int>(golden_configs().size()));
}

TEST_CASE("write the golden files that are missing", "[.write-golden]") {
  for (const auto& [what, config] : golden_configs()) {
    const std::string name = "v1-" + what + ".mal";
    if (std::filesystem::exists(kFolder + name)) continue;
    const test::ExportedModel exported(config, {}, 2);
    std::filesystem::copy_file(exported.path, kFolder + name);
    std::ofstream(kFolder + "expected.txt", std::ios::app)
        << fmt::format("{} {:.9g}\n", name, probability(infer::Model::load(exported.path)));
  }
}

}  // namespace

// The model files of every format version, and the row that they are asked about. Needs the header alone.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "model/inference/mal_infer.h"

namespace mal::test {

inline const std::string kGoldenFolder = std::string(MAL_TEST_DATA) + "/../inference/corpus/";

inline float golden_probability(const infer::Model& model) {
  infer::Features row = model.features();
  const std::vector<std::pair<std::string, std::string>> values = {
      {"user", "user_3"},        {"item", "item_2"}, {"tags", "tags_1|tags_2"}, {"item_seq", "item_4|x|item_1"},
      {"scores", "0.5|-0.25|1"}, {"price", "0.75"}};
  for (const auto& [column, text] : values) row.set(column, text);
  return model.scorer().predict(row);
}

}  // namespace mal::test
